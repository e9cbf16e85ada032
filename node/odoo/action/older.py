# What an Odoo before 19 does not have. node/odoo/versions.go puts it in the place of what 19 has: a function that is named NAME_before_17 takes
# the place of NAME in versions before 17; the others are called by the rows of the table.

def uom_round(uom, value):
    return uom._compute_quantity(value, uom, rounding_method='HALF-UP')


def uom_compare(uom, one, other):
    difference = uom_round(uom, one) - uom_round(uom, other)
    if abs(difference) < uom.rounding / 2:
        return 0
    return 1 if difference > 0 else -1


def uom_is_zero(uom, value):
    return uom_compare(uom, value, 0.0) == 0


def same_category(one, other):
    return one.category_id == other.category_id


def first_of(ids):
    return ids[0] if ids else False


def around_the_clock():
    """The calendar of a work center of which no shifts are known."""
    calendars = env['resource.calendar'].sudo()
    found = calendars.search([('name', '=', 'plantmesh: around the clock')], limit=1)
    if not found:
        guard('calendar')
        days = []
        for day in ['0', '1', '2', '3', '4', '5', '6']:
            days.append((0, 0, {'name': day, 'dayofweek': day, 'hour_from': 0.0, 'hour_to': 24.0, 'day_period': 'morning'}))
        found = calendars.create({'name': 'plantmesh: around the clock', 'tz': 'UTC', 'company_id': False, 'attendance_ids': days})
    return found


def define_unit_before_19(event):
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


def complete_before_19(event):
    """An order makes one serial number: of several, each is made by a part of its own."""
    serials = event.get('serials') or []
    if len(serials) < 2:
        return complete_part(event)
    product = item(event['item'], event['quantity'], serials[0], 'serial')
    if len(serials) != amount(event['quantity'], product.uom_id):
        raise UserError("The event names %s serial numbers for %s %s of item %s: correct it at its source."
                        % (len(serials), event['quantity']['value'], event['quantity']['unit'], event['item']))
    each = dict(event['quantity'], value=str(float(event['quantity']['value']) / len(serials)))
    for name in serials[:-1]:
        complete_part(dict(event, serials=[name], quantity=each, partial=True))
    return complete_part(dict(event, serials=serials[-1:], quantity=each))


def scrap_reason_before_18(event, values):
    return {'origin': '%s: %s' % (values['origin'], event['reason'])}


def take_by_the_bill_before_18(order):
    order._set_qty_producing()


def take_by_the_bill_before_16(order):
    reported = order.move_raw_ids.filtered(lambda m: m.quantity_done and m.state not in ('done', 'cancel'))
    lines = []
    for line in reported.move_line_ids:
        lines.append((line, line.qty_done))
    order._set_qty_producing()
    reported.move_line_ids.write({'qty_done': 0.0})
    for line, quantity in lines:
        line.write({'qty_done': quantity})


def done_of(line):
    """What a line moved, in the product's unit."""
    return line.product_uom_id._compute_quantity(line.qty_done, line.product_id.uom_id, rounding_method='HALF-UP')


def reserved_for_before_17(line, product, lot, source, quantity):
    """What is reserved is not yet what is done: it is always said anew."""
    return False


def take_free_before_17(line, wanted, source, lot):
    free = env['stock.quant']._get_available_quantity(line.product_id, source, lot_id=lot, strict=False)
    taken = line._update_reserved_quantity(wanted, free, source, lot_id=lot, strict=False)
    line._recompute_state()
    return taken


def change_bill_before_17(event, order, bill):
    raise UserError("Order %s is made by another bill of materials in Odoo, and an Odoo before 17 does not change that of a confirmed order: "
                    "correct its materials by hand, and discard the event." % event['order'])


def make_order_before_16(values):
    """Odoo's form fills in what follows from the bill of materials; here it is asked for."""
    product, kind = env['product.product'].browse(values['product_id']), env['stock.picking.type'].browse(values['picking_type_id'])
    if not values.get('bom_id'):
        values['bom_id'] = bill_for(product, kind, values['company_id']).id
    values['location_src_id'] = (kind.default_location_src_id or kind.warehouse_id.lot_stock_id).id
    values['location_dest_id'] = (kind.default_location_dest_id or kind.warehouse_id.lot_stock_id).id
    order = env['mrp.production'].create(values)
    env['stock.move'].create(order._get_moves_finished_values())
    if order.bom_id:
        env['stock.move'].create(order._get_moves_raw_values())
        order._create_workorder()
    return order


def bill_for(product, kind, company):
    return env['mrp.bom']._bom_find(product, picking_type=kind, company_id=company, bom_type='normal')[product]


def bill_for_before_15(product, kind, company):
    return env['mrp.bom']._bom_find(product=product, picking_type=kind, company_id=company, bom_type='normal')


def in_currency_before_16(event, currency, company, value):
    own = currency._convert(value, company.currency_id, company, datetime.datetime.strptime(event['date'], '%Y-%m-%d').date())
    return {'amount_currency': value, 'debit': max(own, 0.0), 'credit': max(-own, 0.0)}


def dimension_value_before_16(dimension, value):
    raise UserError("Value %s of dimension %s: an Odoo before 16 has no analytic plans, and keeps one analytic account for a line: enter the posting by hand, and discard the event."
                    % (value, dimension))


def define_dimension_before_16(event):
    raise UserError("Dimension %s would be an analytic plan, which an Odoo before 16 does not have: discard the event." % event['dimension'])
