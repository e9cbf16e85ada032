# Goods on their way between the warehouses of two sites.

def other_warehouse(event):
    # Of any company: a transfer to one of another company is refused with both names.
    there = at_site({'company': event.get('other_company'), 'warehouse': event.get('other'), 'site': event['site']})
    found = there['stock.warehouse'].search([('code', '=', event['other'])] if event.get('other') else [], order='id', limit=1)
    if not found:
        raise UserError("Warehouse %s is not in Odoo: create it, or map its site to another one." % event.get('other'))
    return found


def transit(event):
    here, there = warehouse(event), other_warehouse(event)
    if here == there:
        raise UserError("Both sites of transfer %s are warehouse %s in Odoo: map them to different ones (odoo.sites)." % (event['transfer'], here.name))
    if here.company_id != there.company_id:
        raise UserError("Warehouses %s and %s belong to different companies: book transfer %s between these by hand, as a sale and a purchase, and discard the event."
                        % (here.name, there.name, event['transfer']))
    place = here.company_id.sudo().internal_transit_location_id
    if not place:
        raise UserError("Company %s has no transit location: set one in Odoo." % here.company_id.name)
    if not place.active:
        place.write({'active': True})
    return env['stock.location'].browse(place.id)


def transfer_out(event):
    house, target = warehouse(event), transit(event)
    guard('transfer ' + event['transfer'])
    record = picking(event, house.out_type_id, location(event, event.get('location')), target, {'origin': event['transfer'], 'x_mesh_transfer': event['transfer']})
    expect_receipt(event, record)
    return {'model': 'stock.picking', 'id': record.id}


def expect_receipt(event, sent):
    """What left is expected at the other end, in one open receipt: an event completes it, or a person."""
    kind, source = other_warehouse(event).in_type_id, sent.location_dest_id
    target = other_warehouse(event).lot_stock_id
    record = env['stock.picking'].search([('x_mesh_transfer', '=', event['transfer']), ('location_id', '=', source.id), ('state', 'not in', ('done', 'cancel'))], limit=1)
    if not record:
        record = env['stock.picking'].create({'picking_type_id': kind.id, 'location_id': source.id, 'location_dest_id': target.id, 'company_id': kind.company_id.id,
                                              'origin': event['transfer'], 'x_mesh_transfer': event['transfer']})
    for move in sent.move_ids:
        found = env['stock.move']
        for candidate in record.move_ids:
            if candidate.product_id == move.product_id and candidate.state not in ('done', 'cancel'):
                found = candidate
        if found:
            found.write({'product_uom_qty': found.product_uom_qty + move.quantity, 'move_orig_ids': [Command.link(move.id)]})
        else:
            env['stock.move'].create({'product_id': move.product_id.id, 'product_uom': move.product_uom.id, 'product_uom_qty': move.quantity,
                                      'origin': record.origin, 'picking_id': record.id, 'location_id': source.id, 'location_dest_id': target.id,
                                      'company_id': kind.company_id.id, 'move_orig_ids': [Command.link(move.id)]})
    record.move_ids.filtered(lambda m: m.state == 'draft')._action_confirm(merge=False)
    record.move_ids._action_assign()


def sent_as(transfer):
    """The pickings by which a transfer leaves: the mesh's own, or what a person sent, which has the name of its first picking."""
    sent = env['stock.picking'].search([('x_mesh_transfer', '=', transfer), ('location_dest_id.usage', '=', 'transit')])
    if sent:
        return sent
    sent = env['stock.picking'].search([('name', '=', transfer), ('x_mesh_transfer', '=', False), ('location_dest_id.usage', '=', 'transit')])
    rest = sent
    while rest:
        rest = env['stock.picking'].search([('backorder_id', 'in', rest.ids)])
        sent |= rest
    return sent


def under_way(left, arrived, product, lot):
    """How much of a product and lot left, and did not arrive."""
    rest = 0.0
    for line in (left | arrived).move_line_ids:
        if line.state == 'done' and line.product_id == product and line.lot_id == lot:
            rest += line.quantity_product_uom if line.picking_id in left else -line.quantity_product_uom
    return product.uom_id.round(rest)


def transfer_in(event):
    house, name = warehouse(event), event['transfer']
    transit(event)
    guard('transfer ' + name)
    sent = sent_as(name)
    left = sent.filtered(lambda p: p.state == 'done')
    if not left:
        raise UserError("Transfer %s has not left in Odoo yet: its dispatch has to be applied first, or validated there." % name)
    expected = sent.move_ids.move_dest_ids.picking_id | env['stock.picking'].search([('x_mesh_transfer', '=', name)])
    expected = expected.filtered(lambda p: p.location_id.usage == 'transit')
    said = {}
    for material in event['materials']:
        for product, lot, quantity in pieces(material):
            rest, all_of_it = under_way(left, expected, product, lot), sum_up(said, product, lot, quantity)
            if product.uom_id.compare(all_of_it, rest) > 0:
                raise UserError("Transfer %s has %s of %s%s under way, the receipt says %s: correct one of them at its source, or adjust the stock and discard the event."
                                % (name, rest, product.display_name, ' lot ' + lot.name if lot else '', all_of_it))
    ready = expected.filtered(lambda p: p.state not in ('done', 'cancel')).sorted('id')
    if not ready:
        record = picking(event, house.in_type_id, left[0].location_dest_id, location(event, event.get('location')), {'origin': name, 'x_mesh_transfer': name})
        return {'model': 'stock.picking', 'id': record.id}
    to_come = bool(event.get('partial')) or bool(sent.filtered(lambda p: p.state not in ('done', 'cancel')))
    record = receive(event, ready[0], to_come)
    record.write({'x_mesh_transfer': name})
    if not to_come:
        (ready - record).action_cancel()
    return {'model': 'stock.picking', 'id': record.id}


def receive(event, record, to_come):
    """Completes an open receipt, into the location that the event names."""
    house = warehouse(event)
    if record.picking_type_id.warehouse_id != house:
        raise UserError("Transfer %s is for warehouse %s in Odoo, the receipt is of %s: correct it at its source, or map its site to that warehouse."
                        % (event['transfer'], record.picking_type_id.warehouse_id.name, house.name))
    if event.get('location'):
        place = location(event, event['location'])
        record.write({'location_dest_id': place.id})
        record.move_ids.filtered(lambda m: m.state not in ('done', 'cancel')).write({'location_dest_id': place.id})
    return fulfil(dict(event, partial=to_come), record, None, '')
