# Quality holds.

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
