# What an Odoo before 19 does not have. node/odoo/versions.go puts these in the place of what 19 has.

def uom_compare(uom, one, other):
    return float_compare(one, other, precision_rounding=uom.rounding)


def uom_is_zero(uom, value):
    return float_compare(value, 0.0, precision_rounding=uom.rounding) == 0


def uom_round(uom, value):
    return uom._compute_quantity(value, uom, rounding_method='HALF-UP')


def same_category(one, other):
    return one.category_id == other.category_id


def first_of(ids):
    return ids[0] if ids else False


def define_unit_in_category(event):
    units = env['uom.uom'].with_context(active_test=False)
    found = units.search([('x_mesh_code', '=', event['code'])], limit=1)
    values = {'name': event['name'], 'x_mesh_code': event['code'], 'active': not event.get('retired')}
    if event.get('quantity'):
        base = unit(event['quantity'])
        # How many of this unit are one of the category's reference.
        factor = base.factor / float(event['quantity']['value'])
        values.update({'category_id': base.category_id.id, 'uom_type': 'smaller' if factor > 1 else 'bigger', 'factor': factor})
    elif not found:
        values.update({'category_id': env['uom.category'].create({'name': event['name']}).id, 'uom_type': 'reference', 'factor': 1.0})
    if found:
        found.write(values)
    else:
        guard('unit ' + event['code'])
        found = units.create(values)
    if 'factor' in values and (abs(found.factor - values['factor']) > 1e-9 * values['factor'] or found.category_id.id != values['category_id']):
        raise UserError("Odoo left unit %s at ratio %s in %s." % (found.name, found.factor, found.category_id.name))
    return {'model': 'uom.uom', 'id': found.id}
