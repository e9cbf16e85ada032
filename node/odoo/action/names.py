# What an event names: found in Odoo, or made where that is allowed.

def missing(what, name, kind, hint):
    raise UserError("%s %s is not in Odoo: %s, or let plantmesh do it with create_missing: [%s]." % (what, name, hint, kind))


def amount(quantity, to=None):
    """The quantity as Odoo computes with it, in the unit `to` (its own if none), rounded as Odoo rounds quantities."""
    own = unit(quantity)
    value = float(quantity['value'])
    if not to or to == own:
        return own.round(value)
    if not own._has_common_reference(to):
        raise UserError("A quantity in %s (%s) cannot be converted to %s: correct the unit of the item in Odoo, or of the event at its source."
                        % (own.name, quantity['unit'], to.name))
    return own._compute_quantity(value, to, rounding_method='HALF-UP')


def at_site(event):
    """Odoo as the company of the event's site sees it, and no other: what two companies call by one name is not mixed up."""
    key = '%s/%s' % (event.get('company') or '', event.get('warehouse') or '')
    if key not in at_companies:
        company = company_of(event)
        name = 'company %s' % company.id
        if name not in at_companies:
            at_companies[name] = env(context={'lang': 'en_US', 'allowed_company_ids': company.ids}) if company else everywhere
        at_companies[key] = at_companies[name]
    return at_companies[key]


def company_of(event):
    """The company of the event's site: the one that it is mapped to, or that of its warehouse; none if there is no warehouse."""
    name, code = event.get('company'), event.get('warehouse')
    if not name:
        return everywhere['stock.warehouse'].search([('code', '=', code)] if code else [], order='id', limit=1).company_id
    found = everywhere['res.company'].search([('id', '=', int(name))] if name.isdigit() else [('name', '=', name)], limit=2)
    if len(found) != 1:
        raise UserError("Company %s is not in Odoo, or several are called so, or plantmesh may not work in it: map site %s to another one." % (name, event['site']))
    return found


def warehouse(event):
    code = event.get('warehouse')
    found = env['stock.warehouse'].search([('code', '=', code)] if code else [], order='id', limit=1)
    if not found:
        raise UserError("Warehouse %s is not in Odoo: create it, or map site %s to another one." % (code or '(any)', event['site']))
    return found


def location(event, name):
    """A storage location of the site: its main stock, or the one named below the warehouse."""
    house = warehouse(event)
    if not name:
        return house.lot_stock_id
    found = env['stock.location'].search([('usage', '=', 'internal'), ('id', 'child_of', house.view_location_id.id),
                                          '|', '|', ('barcode', '=', name), ('name', '=', name), ('complete_name', '=', name)], limit=2)
    if len(found) > 1:
        raise UserError("Location %s is ambiguous in warehouse %s: give one of them that barcode." % (name, house.name))
    if not found:
        if 'locations' not in may_create:
            missing('Location', name, 'locations', 'create it in warehouse ' + house.name)
        guard('location ' + name)
        found = env['stock.location'].create({'name': name, 'location_id': house.lot_stock_id.id, 'usage': 'internal'})
    return found


def quarantine(event):
    house = warehouse(event)
    name = mesh['quarantine']
    found = env['stock.location'].search([('name', '=', name), ('usage', '=', 'internal'), ('id', 'child_of', house.view_location_id.id)], limit=1)
    if not found:
        guard('quarantine ' + house.code)
        found = env['stock.location'].create({'name': name, 'location_id': house.view_location_id.id, 'usage': 'internal'})
    return found


def item(name, quantity, lot='', tracking='lot'):
    """The product with this reference. One that plantmesh may create is tracked by lot, or serial, as soon as one is named."""
    found = env['product.product'].search([('default_code', '=', name)], limit=2)
    if len(found) > 1:
        raise UserError("Item %s is the reference of several products in Odoo: keep it on one of them." % name)
    if not found:
        if 'items' not in may_create:
            missing('Item', name, 'items', 'create a product with this internal reference')
        guard('item ' + name)
        found = env['product.product'].create({
            'name': name, 'default_code': name, 'type': 'consu', 'is_storable': True,
            'uom_id': unit(quantity).id if quantity else env.ref('uom.product_uom_unit').id, 'tracking': tracking if lot else 'none'})
    if lot and found.tracking == 'none':
        if 'items' not in may_create:
            raise UserError("Item %s is not tracked by %s in Odoo, but the event names %s: turn on that tracking for the product." % (name, tracking, lot))
        guard('item ' + name)
        found.product_tmpl_id.write({'tracking': tracking, 'is_storable': True})
    return found


def lot_of(product, name):
    found = env['stock.lot'].search([('product_id', '=', product.id), ('name', '=', name)], limit=1)
    if not found:
        if 'lots' not in may_create:
            missing('Lot', name, 'lots', 'create it for product ' + product.display_name)
        guard('lot %s %s' % (product.id, name))
        found = env['stock.lot'].create({'product_id': product.id, 'name': name})
    return found


def work_center(name):
    found = env['mrp.workcenter'].search([('code', '=', name)], limit=1) or env['mrp.workcenter'].search([('name', '=', name)], limit=1)
    if not found:
        if 'work_centers' not in may_create:
            missing('Work center', name, 'work_centers', 'create one with this code')
        guard('work center ' + name)
        # Nothing is known of its shifts, so its time counts around the clock.
        found = env['mrp.workcenter'].create({'name': name, 'code': name, 'resource_calendar_id': False})
    return found


def bill_of_materials(name, product):
    found = env['mrp.bom'].search([('code', '=', name), ('product_tmpl_id', '=', product.product_tmpl_id.id),
                                   ('product_id', 'in', [False, product.id])], limit=1)
    if not found:
        raise UserError("Bill of materials %s of item %s is not in Odoo: create it with this reference." % (name, product.default_code))
    return found
