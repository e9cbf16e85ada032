# Production orders.

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
    order = make_order(values)
    order.action_confirm()
    if order.state not in ('confirmed', 'progress'):
        raise UserError("Odoo left order %s in state %s instead of confirming it." % (event['order'], order.state))
    return order


def make_order(values):
    return env['mrp.production'].create(values)


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
        change_bill(event, order, values['bom_id'])
    values.pop('bom_id', None)
    if values:
        order.write(values)
    if order.product_uom_id.compare(order.product_qty, rest) != 0:
        env['change.production.qty'].create({'mo_id': order.id, 'product_qty': rest}).change_prod_qty()
    if order.product_uom_id.compare(order.product_qty, rest) != 0:
        raise UserError("Odoo left order %s at %s instead of %s." % (event['order'], order.product_qty, rest))
    return order, 'updated'


def change_bill(event, order, bill):
    order.write({'bom_id': bill})
    order.action_update_bom()


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
    if order.state in ('done', 'cancel') or work.state == 'done':
        return {'model': 'mrp.workcenter.productivity', 'id': entry.id, 'note': 'its work order was closed: only time and counts were added'}
    # One that Odoo cancelled, because all of the order had passed it when a part was completed, goes on: Odoo deletes the time of a cancelled one.
    if work.state != 'progress':
        work.write({'state': 'progress'})
    if completed and float(completed['value']):
        add_produced(work, amount(completed, order.product_uom_id))
    if work.state != 'progress':
        raise UserError("Odoo left work order %s in state %s instead of starting it." % (work.display_name, work.state))
    return {'model': 'mrp.workcenter.productivity', 'id': entry.id}


def add_produced(work, quantity):
    """Counts what an operation made, and nothing else: writing it through the model has Odoo take what the slowest operation made for what the
    order is producing, and material for that from stock, which the plant reports itself."""
    work.flush_recordset()
    made = work.product_uom_id.round(work.qty_produced + quantity)
    env.cr.execute('UPDATE mrp_workorder SET qty_produced = %s WHERE id = %s', [made, work.id])
    work.invalidate_recordset(['qty_produced'])
    work.modified(['qty_produced'])


def finish_work(event, order):
    """Ends the order's work orders, and returns those whose planned time Odoo is kept from booking as spent, with that time: an operation without
    a report took no time, if the order's operations are reported at all."""
    order.workorder_ids.button_finish()
    planned = []
    if env['mrp.workcenter.productivity'].search_count([('x_mesh_order', '=', event['order'])], limit=1):
        for work in order.workorder_ids.filtered(lambda w: w.state == 'done' and not w.duration):
            planned.append((work, work.duration_expected))
            work.write({'duration_expected': 0.0})
    return planned


def complete(event):
    return complete_part(event)


def complete_part(event):
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
    planned = finish_work(event, order)
    # Anew: ending work orders has Odoo take what they made for what the order makes.
    order.write({'qty_producing': quantity})
    take_by_the_bill(order)
    options = {'skip_consumption': True, 'skip_redirection': True, 'skip_backorder': True}
    more = event.get('partial') and order.product_uom_id.compare(quantity, order.product_qty) < 0
    if more:
        options['mo_ids_to_backorder'] = order.ids
    answer = order.with_context(**options).button_mark_done()
    if order.state != 'done' or order.product_uom_id.compare(order.qty_produced, quantity) != 0:
        raise UserError("Odoo did not complete %s of order %s: it is %s with %s produced%s. Complete it by hand, or correct what keeps Odoo from it." % (
            quantity, event['order'], order.state, order.qty_produced, ' and asks for more in a dialog' if isinstance(answer, dict) else ''))
    for work, minutes in planned:
        work.write({'duration_expected': minutes})
    if more:
        rest = order.production_group_id.production_ids.filtered(lambda mo: mo.state not in ('done', 'cancel'))
        if len(rest) != 1:
            raise UserError("Odoo left %s open parts of order %s instead of one." % (len(rest), event['order']))
        rest.write({'x_mesh_order': event['order']})
        order.write({'x_mesh_order': event['order']})
    if not serials:
        extend_holds(event, product, quantity, order)
    return {'model': 'mrp.production', 'id': order.id, 'note': note}


def take_by_the_bill(order):
    """Has Odoo take the materials of what is produced by the bill of materials, as far as the plant did not report them."""
    order._set_qty_producing(False)


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


def close(event):
    """Nothing more comes of the order: what is open of it is cancelled, what was consumed for it is posted first."""
    orders = parts(event['order'])
    if not orders:
        raise UserError("Production order %s is not in Odoo: release it at its source, or skip the event." % event['order'])
    left = orders.filtered(lambda mo: mo.state not in ('done', 'cancel'))
    if not left:
        return {'model': 'mrp.production', 'id': orders[-1:].id, 'note': 'it was closed already'}
    for order in left:
        used = order.move_raw_ids.filtered(lambda m: m.picked and m.state not in ('done', 'cancel'))
        if used:
            used._action_done(cancel_backorder=True)
        order.action_cancel()
        if order.state not in ('done', 'cancel'):
            raise UserError("Odoo left order %s in state %s instead of closing it." % (order.name, order.state))
    return {'model': 'mrp.production', 'id': left[-1:].id, 'note': event.get('comment') or ''}
