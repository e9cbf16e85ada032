# Stock that moves, is lost, corrected or counted.

def move(product, lot, quantity, source, target, reason, values=None):
    """Moves stock at once. What is not there is moved all the same: the source then shows less than nothing."""
    line = {'product_id': product.id, 'product_uom_id': product.uom_id.id, 'quantity': quantity, 'lot_id': lot.id if lot else False,
            'location_id': source.id, 'location_dest_id': target.id, 'picked': True}
    done = env['stock.move'].create(dict(values or {}, **{
        'product_id': product.id, 'product_uom': product.uom_id.id, 'product_uom_qty': quantity, 'origin': reason, 'reference': reason,
        'location_id': source.id, 'location_dest_id': target.id, 'company_id': source.company_id.id, 'picked': True,
        'move_line_ids': [Command.create(line)]}))
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
        values.update(scrap_reason(event, values))
    record = env['stock.scrap'].create(values)
    record.do_scrap()
    if record.state != 'done' or 'done' not in record.move_ids.mapped('state'):
        raise UserError("Odoo left the scrap of %s in state %s." % (product.display_name, record.state))
    return {'model': 'stock.scrap', 'id': record.id}


def scrap_reason(event, values):
    tag = env['stock.scrap.reason.tag'].search([('name', '=', event['reason'])], limit=1)
    if not tag:
        guard('scrap reason ' + event['reason'])
        tag = env['stock.scrap.reason.tag'].create({'name': event['reason']})
    return {'scrap_reason_tag_ids': [Command.set(tag.ids)]}


def adjust(event):
    product = item(event['item'], event['quantity'], event.get('lot'))
    lot = lot_of(product, event['lot']) if event.get('lot') else env['stock.lot']
    if product.tracking != 'none' and not lot:
        raise UserError("Item %s is tracked by %s in Odoo, and the event names none: correct it at its source." % (event['item'], product.tracking))
    place, loss = location(event, event.get('location')), product.with_company(warehouse(event).company_id).property_stock_inventory
    guard('stock %s %s' % (event['item'], event.get('lot') or ''))
    source, target = (loss, place) if event['direction'] == 'increase' else (place, loss)
    done = move(product, lot, amount(event['quantity'], product.uom_id), source, target, 'Adjustment %s: %s' % (event['document'], event['reason']),
                {'is_inventory': True, 'company_id': warehouse(event).company_id.id})
    return {'model': 'stock.move', 'id': done.id}


def count(event):
    product = item(event['item'], event['quantity'], event.get('lot'))
    lot = lot_of(product, event['lot']) if event.get('lot') else env['stock.lot']
    if product.tracking != 'none' and not lot:
        raise UserError("Item %s is tracked by %s in Odoo, and the event names none: correct it at its source." % (event['item'], product.tracking))
    place = location(event, event.get('location'))
    guard('stock %s %s' % (event['item'], event.get('lot') or ''))
    counted = amount(event['quantity'], product.uom_id)
    quants = env['stock.quant'].search([('product_id', '=', product.id), ('lot_id', '=', lot.id), ('location_id', '=', place.id)], order='id')
    known = sum(quants.mapped('quantity'))
    difference = product.uom_id.round(counted - known)
    if product.uom_id.is_zero(difference):
        return {'model': 'stock.quant', 'id': quants[:1].id, 'note': 'as counted: nothing changed'}
    loss = product.with_company(warehouse(event).company_id).property_stock_inventory
    source, target = (loss, place) if difference > 0 else (place, loss)
    done = move(product, lot, abs(difference), source, target, 'Count %s' % event['document'], {'is_inventory': True, 'company_id': warehouse(event).company_id.id})
    after = sum(env['stock.quant'].search([('product_id', '=', product.id), ('lot_id', '=', lot.id), ('location_id', '=', place.id)]).mapped('quantity'))
    if product.uom_id.compare(after, counted) != 0:
        raise UserError("Odoo left %s of %s in %s instead of the %s counted." % (after, product.display_name, place.display_name, counted))
    return {'model': 'stock.move', 'id': done.id, 'note': 'it was %s' % known}
