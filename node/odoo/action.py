# plantmesh apply 1
#
# Applies plantmesh events in Odoo. It is the code of a server action that plantmesh provisions and keeps up to date:
# change it in node/odoo/action.py, not in Odoo.
#
# One call is one transaction. It carries events in env.context['mesh']; for each of them the fence row of its stream
# and subject is locked, an event that was applied before is answered as a duplicate, otherwise its effect is made, its
# resulting state checked, and a row of the journal x_mesh_applied written. Any error undoes the whole call.
#
# Odoo runs this through safe_eval: no imports, no closures (so no comprehension or lambda inside a function that uses
# the function's own names), no attribute assignment, no `with`.

mesh = env.context.get('mesh')
if not mesh:
    raise UserError('This action is run by plantmesh, with the events to apply. It does nothing by hand.')
env = env(context={'lang': 'en_US'})
may_create = mesh.get('create', [])


# --- fences -----------------------------------------------------------------------------------------------------------

def fence(event):
    """Locks the event's fence until the transaction ends, and tells whether the event was applied before."""
    env.cr.execute("INSERT INTO x_mesh_fence (x_key, x_seq, x_incarnation) VALUES (%s, '0', %s) ON CONFLICT (x_key) DO NOTHING",
                   [event['key'], event['incarnation']])
    env.cr.execute("SELECT x_seq, x_incarnation FROM x_mesh_fence WHERE x_key = %s FOR UPDATE", [event['key']])
    sequence, incarnation = env.cr.fetchone()
    if incarnation == event['incarnation'] and int(event['offset']) <= int(sequence):
        return True
    env.cr.execute("SELECT 1 FROM x_mesh_applied WHERE x_event = %s", [event['event']])
    return bool(env.cr.fetchone())


def passed(event, result):
    """Remembers that the event is applied: its fence moves on, its effect stands in the journal."""
    env.cr.execute("UPDATE x_mesh_fence SET x_seq = %s, x_incarnation = %s, write_date = now() at time zone 'UTC' WHERE x_key = %s",
                   [event['offset'], event['incarnation'], event['key']])
    env.cr.execute("""INSERT INTO x_mesh_applied (x_event, x_type, x_stream, x_offset, x_subject, x_model, x_record, x_note, create_uid, create_date)
                      VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, now() at time zone 'UTC')""",
                   [event['event'], event['type'], event['stream'], event['offset'], event['subject'],
                    result['model'], result['id'], result.get('note') or None, env.uid])


def guard(key):
    """Makes transactions that touch the same key wait for one another; the later one starts again with a fresh view."""
    env.cr.execute("""INSERT INTO x_mesh_fence (x_key, x_seq) VALUES (%s, '1')
                      ON CONFLICT (x_key) DO UPDATE SET x_seq = (x_mesh_fence.x_seq::bigint + 1)::text""", ['guard ' + key])


# --- what an event names ----------------------------------------------------------------------------------------------

def missing(what, name, kind, hint):
    raise UserError("%s %s is not in Odoo: %s, or let plantmesh do it with create_missing: [%s]." % (what, name, hint, kind))


def unit(quantity):
    return env.ref(quantity['uom'])


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


def warehouse(event):
    code = event.get('warehouse')
    found = env['stock.warehouse'].search([('code', '=', code)] if code else [], limit=1)
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


# --- production orders ------------------------------------------------------------------------------------------------

def parts(name):
    """All parts of an order: Odoo splits one when it is completed in steps. An order that Odoo made itself has its own number."""
    found = env['mrp.production'].search([('x_mesh_order', '=', name)], order='id')
    return found or env['mrp.production'].search([('name', '=', name)], order='id')


def open_part(orders):
    return orders.filtered(lambda mo: mo.state not in ('done', 'cancel'))[-1:]


def create_order(event, product, quantity, uom, values):
    house = warehouse(event)
    values = dict(values, x_mesh_order=event['order'], origin=event['order'], product_id=product.id, product_qty=quantity,
                  product_uom_id=uom.id, picking_type_id=house.manu_type_id.id, company_id=house.company_id.id)
    order = env['mrp.production'].create(values)
    order.action_confirm()
    if order.state not in ('confirmed', 'progress'):
        raise UserError("Odoo left order %s in state %s instead of confirming it." % (event['order'], order.state))
    return order


def unknown_order(event):
    if 'orders' not in may_create:
        missing('Production order', event['order'], 'orders', 'create and confirm it with this source document')
    if not event.get('item'):
        raise UserError("Production order %s is not in Odoo, and the event does not name what it makes: release the order at its source, "
                        "or create and confirm it in Odoo with this source document." % event['order'])


def release(event):
    product = item(event['item'], event['quantity'], event.get('lot'))
    uom = unit(event['quantity'])
    values = {}
    if event.get('bom'):
        values['bom_id'] = bill_of_materials(event['bom'], product).id
    if event.get('start'):
        values['date_start'] = event['start']
    if event.get('end'):
        values['date_finished'] = event['end']
    orders = parts(event['order'])
    order, note = open_part(orders), ''
    if not orders:
        order = create_order(event, product, amount(event['quantity']), uom, values)
    else:
        order, note = revise(event, orders, product, values)
    if order and event.get('lot'):
        order.write({'lot_producing_ids': [Command.set(lot_of(product, event['lot']).ids)]})
    if order and event.get('work_center') and not order.workorder_ids:
        env['mrp.workorder'].with_context(skip_confirm=True).create({
            'name': mesh['work_order'], 'production_id': order.id, 'workcenter_id': work_center(event['work_center']).id, 'state': 'ready'})
    return {'model': 'mrp.production', 'id': (order or orders[-1:]).id, 'note': note}


def revise(event, orders, product, values):
    """A release of an order that is known states its total anew: what is not done yet becomes the rest."""
    if orders.product_id != product:
        raise UserError("Order %s makes %s in Odoo, the event says %s: correct one of them."
                        % (event['order'], orders.product_id[:1].display_name, product.display_name))
    order = open_part(orders)
    if not order and 'done' not in orders.mapped('state'):
        raise UserError("Order %s is cancelled in Odoo: create it anew with this source document, or cancel it at its source." % event['order'])
    total = amount(event['quantity'], orders[0].product_uom_id)
    rest = total - sum(orders.filtered(lambda mo: mo.state == 'done').mapped('qty_produced'))
    if orders[0].product_uom_id.compare(rest, 0) <= 0:
        return order, 'as much was produced already: nothing changed'
    if not order:
        values.pop('bom_id', None)
        return create_order(event, product, rest, orders[0].product_uom_id, values), 'continues an order that was done'
    if values.get('bom_id') and values['bom_id'] != order.bom_id.id:
        order.write({'bom_id': values['bom_id']})
        order.action_update_bom()
    values.pop('bom_id', None)
    if values:
        order.write(values)
    if order.product_uom_id.compare(order.product_qty, rest) != 0:
        env['change.production.qty'].create({'mo_id': order.id, 'product_qty': rest}).change_prod_qty()
    if order.product_uom_id.compare(order.product_qty, rest) != 0:
        raise UserError("Odoo left order %s at %s instead of %s." % (event['order'], order.product_qty, rest))
    return order, 'updated'


def work_order(event, orders):
    """The order's work order for this operation at this work center."""
    center = work_center(event['work_center'])
    order = open_part(orders) or orders.filtered(lambda mo: mo.state == 'done')[-1:]
    if not order:
        raise UserError("Order %s is cancelled in Odoo: create it anew with this source document, or correct the event at its source." % event['order'])
    found = env['mrp.workorder'].search([('production_id', '=', order.id), ('name', '=', event['operation']), ('workcenter_id', '=', center.id)], limit=1)
    if not found:
        planned = env['mrp.workorder'].search([('production_id', '=', order.id), ('name', '=', mesh['work_order']), ('workcenter_id', '=', center.id),
                                               ('state', 'in', ['blocked', 'ready']), ('time_ids', '=', False)], limit=1)
        planned.write({'name': event['operation']})
        found = planned
    return found or env['mrp.workorder'].with_context(skip_confirm=True).create({
        'name': event['operation'], 'production_id': order.id, 'workcenter_id': center.id,
        'state': 'done' if order.state == 'done' else 'ready'})


def report(event):
    orders = parts(event['order'])
    if not orders:
        unknown_order(event)
        ordered = event.get('order_quantity')
        if not ordered:
            raise UserError("Production order %s is not in Odoo, and the event does not say how much it asks for: release the order at its source, "
                            "or create and confirm it in Odoo with this source document." % event['order'])
        product = item(event['item'], ordered)
        orders = create_order(event, product, amount(ordered), unit(ordered), {'date_start': event['start']})
    work = work_order(event, orders)
    order = work.production_id
    completed, rejected, review = event.get('completed'), event.get('rejected'), event.get('review')
    entry = env['mrp.workcenter.productivity'].create({
        'workorder_id': work.id, 'workcenter_id': work.workcenter_id.id, 'company_id': order.company_id.id,
        'loss_id': env.ref(event['loss']).id, 'date_start': event['start'], 'date_end': event['end'],
        'description': event.get('worker') or False,
        'x_mesh_event': event['event'], 'x_mesh_order': event['order'], 'x_mesh_rework': bool(event.get('rework')),
        'x_mesh_completed': float(completed['value']) if completed else 0.0,
        'x_mesh_rejected': float(rejected['value']) if rejected else 0.0,
        'x_mesh_review': float(review['value']) if review else 0.0,
        'x_mesh_unit': (completed or rejected or review or {}).get('unit') or False})
    if work.state in ('done', 'cancel'):
        return {'model': 'mrp.workcenter.productivity', 'id': entry.id, 'note': 'its work order was closed: only time and counts were added'}
    values = {}
    if work.state != 'progress':
        values['state'] = 'progress'
    if completed and float(completed['value']):
        values['qty_produced'] = work.qty_produced + amount(completed, order.product_uom_id)
    if values:
        work.write(values)
    if work.state != 'progress':
        raise UserError("Odoo left work order %s in state %s instead of starting it." % (work.display_name, work.state))
    return {'model': 'mrp.workcenter.productivity', 'id': entry.id}


def complete(event):
    serials = event.get('serials')
    product = item(event['item'], event['quantity'], serials[0] if serials else event.get('lot'), 'serial' if serials else 'lot')
    orders = parts(event['order'])
    order, note = open_part(orders), ''
    if not orders:
        unknown_order(event)
    if orders and orders.product_id != product:
        raise UserError("Order %s makes %s in Odoo, the event says %s: correct one of them."
                        % (event['order'], orders.product_id[:1].display_name, product.display_name))
    if not order:
        order = create_order(event, product, amount(event['quantity']), unit(event['quantity']), {})
        note = 'beyond the ordered quantity' if orders else ''
    quantity = amount(event['quantity'], order.product_uom_id)
    if order.product_uom_id.is_zero(quantity):
        raise UserError("%s %s is less than Odoo's precision of quantities: raise the precision 'Product Unit' in Odoo."
                        % (event['quantity']['value'], event['quantity']['unit']))
    order.write({'lot_producing_ids': [Command.set(finished_lots(event, order, product))]})
    if event.get('location'):
        order.move_finished_ids.filtered(lambda move: move.state not in ('done', 'cancel')).write({'location_dest_id': location(event, event['location']).id})
    order.write({'qty_producing': quantity})
    order._set_qty_producing(False)
    options = {'skip_consumption': True, 'skip_redirection': True, 'skip_backorder': True}
    more = event.get('partial') and order.product_uom_id.compare(quantity, order.product_qty) < 0
    if more:
        options['mo_ids_to_backorder'] = order.ids
    answer = order.with_context(**options).button_mark_done()
    if order.state != 'done' or order.product_uom_id.compare(order.qty_produced, quantity) != 0:
        raise UserError("Odoo did not complete %s of order %s: it is %s with %s produced%s. Complete it by hand, or correct what keeps Odoo from it." % (
            quantity, event['order'], order.state, order.qty_produced, ' and asks for more in a dialog' if isinstance(answer, dict) else ''))
    if more:
        rest = order.production_group_id.production_ids.filtered(lambda mo: mo.state not in ('done', 'cancel'))
        if len(rest) != 1:
            raise UserError("Odoo left %s open parts of order %s instead of one." % (len(rest), event['order']))
        rest.write({'x_mesh_order': event['order']})
        order.write({'x_mesh_order': event['order']})
    if not serials:
        extend_holds(event, product, quantity, order)
    return {'model': 'mrp.production', 'id': order.id, 'note': note}


def finished_lots(event, order, product):
    if product.tracking == 'serial':
        if not event.get('serials'):
            raise UserError("Item %s is tracked by serial number in Odoo, and the event names none: correct it at its source." % event['item'])
        if len(event['serials']) != order.product_uom_id._compute_quantity(amount(event['quantity'], order.product_uom_id), product.uom_id, rounding_method='HALF-UP'):
            raise UserError("The event names %s serial numbers for %s %s of item %s: correct it at its source."
                            % (len(event['serials']), event['quantity']['value'], event['quantity']['unit'], event['item']))
        found = []
        for name in event['serials']:
            found.append(lot_of(product, name).id)
        return found
    if product.tracking == 'lot':
        name = event.get('lot') or order.lot_producing_ids[:1].name
        if not name:
            raise UserError("Item %s is tracked by lot in Odoo, and the event names none: correct it at its source, or set the lot on order %s in Odoo."
                            % (event['item'], event['order']))
        return lot_of(product, name).ids
    return []


# --- stock ------------------------------------------------------------------------------------------------------------

def move(product, lot, quantity, source, target, reason):
    """Moves stock at once. What is not there is moved all the same: the source then shows less than nothing."""
    line = {'product_id': product.id, 'product_uom_id': product.uom_id.id, 'quantity': quantity, 'lot_id': lot.id if lot else False,
            'location_id': source.id, 'location_dest_id': target.id, 'picked': True}
    done = env['stock.move'].create({
        'product_id': product.id, 'product_uom': product.uom_id.id, 'product_uom_qty': quantity, 'origin': reason, 'reference': reason,
        'location_id': source.id, 'location_dest_id': target.id, 'company_id': source.company_id.id, 'picked': True,
        'move_line_ids': [Command.create(line)]})
    done._action_done()
    if done.state != 'done' or product.uom_id.compare(done.quantity, quantity) != 0:
        raise UserError("Odoo moved %s of %s from %s to %s instead of %s." % (done.quantity, product.display_name, source.display_name, target.display_name, quantity))
    return done


def scrap(event):
    product = item(event['item'], event['quantity'], event.get('lot'))
    orders = parts(event['order']) if event.get('order') else env['mrp.production']
    order = open_part(orders) or orders[-1:]
    values = {'product_id': product.id, 'scrap_qty': amount(event['quantity'], product.uom_id), 'product_uom_id': product.uom_id.id,
              'origin': event.get('order') or event['event'], 'company_id': warehouse(event).company_id.id,
              'location_id': location(event, event.get('location')).id}
    if order and product in order.move_raw_ids.product_id | order.move_finished_ids.product_id:
        values['production_id'] = order.id
    if event.get('lot'):
        values['lot_id'] = lot_of(product, event['lot']).id
    elif product.tracking != 'none':
        raise UserError("Item %s is tracked by %s in Odoo, and the event names none: correct it at its source." % (event['item'], product.tracking))
    if event.get('reason'):
        tag = env['stock.scrap.reason.tag'].search([('name', '=', event['reason'])], limit=1)
        if not tag:
            guard('scrap reason ' + event['reason'])
            tag = env['stock.scrap.reason.tag'].create({'name': event['reason']})
        values['scrap_reason_tag_ids'] = [Command.set(tag.ids)]
    record = env['stock.scrap'].create(values)
    record.do_scrap()
    if record.state != 'done' or 'done' not in record.move_ids.mapped('state'):
        raise UserError("Odoo left the scrap of %s in state %s." % (product.display_name, record.state))
    return {'model': 'stock.scrap', 'id': record.id}


def hold(event):
    product = item(event['item'], event.get('quantity'), event.get('lot'))
    lot = lot_of(product, event['lot']) if event.get('lot') else env['stock.lot']
    source, target = location(event, event.get('location')), quarantine(event)
    guard('stock %s %s' % (event['item'], event.get('lot') or ''))
    if env['x_mesh_hold'].search_count([('x_hold', '=', event['hold']), ('x_open', '=', True)]):
        raise UserError("Hold %s is in place already: release it first, or give the new one an id of its own." % event['hold'])
    quants = env['stock.quant'].search([('product_id', '=', product.id), ('lot_id', '=', lot.id), ('quantity', '>', 0),
                                        ('location_id', 'child_of', source.id)], order='id')
    left = amount(event['quantity'], product.uom_id) if event.get('quantity') else sum(quants.mapped('quantity'))
    held = left
    for quant in quants:
        if product.uom_id.compare(left, 0) > 0:
            take = min(left, quant.quantity)
            move(product, lot, take, quant.location_id, target, 'Hold ' + event['hold'])
            left = product.uom_id.round(left - take)
    if product.uom_id.compare(left, 0) > 0:
        move(product, lot, left, source, target, 'Hold ' + event['hold'])
    record = env['x_mesh_hold'].sudo().create({
        'x_name': event['hold'], 'x_hold': event['hold'], 'x_item': event['item'], 'x_lot': event.get('lot') or False, 'x_site': event['site'],
        'x_quantity': held, 'x_everything': not event.get('quantity'), 'x_open': True, 'x_reason': event.get('reason') or False})
    return {'model': 'x_mesh_hold', 'id': record.id}


def extend_holds(event, product, quantity, order):
    """Goods of a lot that is held as a whole go on into quarantine when they are made."""
    name = order.lot_producing_ids[:1].name or ''
    guard('stock %s %s' % (event['item'], name))
    held = env['x_mesh_hold'].sudo().search([('x_item', '=', event['item']), ('x_lot', '=', name or False), ('x_site', '=', event['site']),
                                      ('x_everything', '=', True), ('x_open', '=', True)], limit=1)
    if held and name:
        quantity = order.product_uom_id._compute_quantity(quantity, product.uom_id, rounding_method='HALF-UP')
        source = order.move_finished_ids.filtered(lambda m: m.state == 'done')[:1].location_dest_id
        move(product, order.lot_producing_ids[:1], quantity, source, quarantine(event), 'Hold ' + held.x_hold)
        held.write({'x_quantity': held.x_quantity + quantity})


def unhold(event):
    record = env['x_mesh_hold'].sudo().search([('x_hold', '=', event['hold']), ('x_open', '=', True)], limit=1)
    if not record:
        raise UserError("Hold %s is not in place in Odoo: move the material back by hand, and skip the event." % event['hold'])
    if record.x_item != event['item'] or (record.x_lot or '') != (event.get('lot') or ''):
        raise UserError("Hold %s is of item %s lot %s, the release says item %s lot %s: correct it at its source."
                        % (event['hold'], record.x_item, record.x_lot or '-', event['item'], event.get('lot') or '-'))
    product = item(event['item'], event.get('quantity'), event.get('lot'))
    lot = lot_of(product, event['lot']) if event.get('lot') else env['stock.lot']
    guard('stock %s %s' % (event['item'], event.get('lot') or ''))
    quantity = amount(event['quantity'], product.uom_id) if event.get('quantity') else record.x_quantity
    if product.uom_id.compare(quantity, record.x_quantity) > 0:
        raise UserError("Hold %s holds %s, the release asks for %s." % (event['hold'], record.x_quantity, quantity))
    source = quarantine(event)
    there = sum(env['stock.quant'].search([('product_id', '=', product.id), ('lot_id', '=', lot.id), ('location_id', 'child_of', source.id)]).mapped('quantity'))
    if product.uom_id.compare(there, quantity) < 0:
        raise UserError("Location %s has %s of %s, hold %s should release %s: somebody moved it by hand. Move it back, or skip the event."
                        % (source.display_name, there, product.display_name, event['hold'], quantity))
    if product.uom_id.compare(quantity, 0) > 0:
        move(product, lot, quantity, source, location(event, event.get('location')), 'Release of hold ' + event['hold'])
    rest = product.uom_id.round(record.x_quantity - quantity)
    record.write({'x_quantity': rest, 'x_open': bool(event.get('quantity')) and product.uom_id.compare(rest, 0) > 0})
    return {'model': 'x_mesh_hold', 'id': record.id}


# --- the call ---------------------------------------------------------------------------------------------------------

effects = {'release': release, 'report': report, 'complete': complete, 'scrap': scrap, 'hold': hold, 'unhold': unhold}
results = []
for event in mesh['events']:
    if fence(event):
        results.append({'status': 'duplicate'})
    else:
        result = effects[event['effect']](event)
        passed(event, result)
        results.append(dict(result, status='applied'))
action = {'results': results}
