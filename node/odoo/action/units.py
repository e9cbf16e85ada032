# Units of measure.

def unit(quantity):
    if quantity.get('uom'):
        return env.ref(quantity['uom'])
    if quantity.get('uom_name'):
        named = env['uom.uom'].search([('name', '=', quantity['uom_name'])], limit=2)
        if len(named) != 1:
            raise UserError('unit "%s" is mapped to %s, which is not in Odoo, or several times: correct odoo.units.' % (quantity['unit'], quantity['uom_name']))
        return named
    found = env['uom.uom'].search([('x_mesh_code', '=', quantity['unit'])], limit=1)
    if not found:
        raise UserError('unit "%s" has no counterpart in Odoo: correct it at the source, publish what it is (UnitChanged), or set it as Mesh: code of a unit in Odoo.'
                        % quantity['unit'])
    return found


def define_unit(event):
    units = env['uom.uom'].with_context(active_test=False)
    found = units.search([('x_mesh_code', '=', event['code'])], limit=1)
    values = {'name': event['name'], 'x_mesh_code': event['code'], 'active': not event.get('retired')}
    if event.get('quantity'):
        values['relative_uom_id'] = unit(event['quantity']).id
        values['relative_factor'] = float(event['quantity']['value'])
    if found:
        found.write(values)
    else:
        guard('unit ' + event['code'])
        found = units.create(values)
    if event.get('quantity') and (found.relative_factor != values['relative_factor'] or found.relative_uom_id.id != values['relative_uom_id']):
        raise UserError("Odoo left unit %s at %s %s." % (found.name, found.relative_factor, found.relative_uom_id.name))
    return {'model': 'uom.uom', 'id': found.id}
