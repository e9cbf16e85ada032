# What goes into an order.

def component(event, order, product):
    """The open move of a material into an order, of the event's operation if the bill of materials says which; made if there is none."""
    found = env['stock.move'].search([('raw_material_production_id', '=', order.id), ('product_id', '=', product.id), ('state', 'not in', ['done', 'cancel'])], order='id')
    for line in found:
        if event.get('operation') and line.operation_id.name == event['operation']:
            return line
    if found:
        return found[:1]
    line = env['stock.move'].create(dict(order._get_move_raw_values(product, 0.0, product.uom_id), raw_material_production_id=order.id))
    line._action_confirm()
    return line


def material(event):
    product = item(event['item'], event['quantity'], event.get('lot'))
    if product.tracking != 'none' and not event.get('lot'):
        raise UserError("Item %s is tracked by %s in Odoo, and the event names none: correct it at its source." % (event['item'], product.tracking))
    return product, lot_of(product, event['lot']) if event.get('lot') else env['stock.lot']


def reserved_for(line, product, lot, source, quantity):
    """Whether one line is reserved for a move, and what is consumed is of it: the line then becomes what was used, which costs Odoo a fraction of
    giving it back and taking it anew."""
    kept = line.move_line_ids
    if line.picked or len(kept) != 1 or kept.lot_id != lot or kept.location_id != source:
        return False
    return line.product_uom == product.uom_id and kept.product_uom_id == product.uom_id and product.uom_id.compare(quantity, kept.quantity) <= 0


def consume(event):
    orders = parts(event['order'])
    if not orders:
        raise UserError("Production order %s is not in Odoo: release it at its source, or create and confirm it in Odoo with this source document." % event['order'])
    product, lot = material(event)
    quantity = amount(event['quantity'], product.uom_id)
    if product.uom_id.is_zero(quantity):
        raise UserError("%s %s is less than Odoo's precision of quantities: raise the precision 'Product Unit' in Odoo." % (event['quantity']['value'], event['quantity']['unit']))
    order = open_part(orders)
    if not order:
        return consume_late(event, orders, product, lot, quantity)
    source = location(event, event['location']) if event.get('location') else order.location_src_id
    line = component(event, order, product)
    before = line.product_uom._compute_quantity(line.quantity, product.uom_id, rounding_method='HALF-UP') if line.picked else 0.0
    # What the plant reports is what was used: completing the order does not add to it by the bill of materials.
    if reserved_for(line, product, lot, source, quantity):
        line.write({'manual_consumption': True, 'quantity': quantity, 'picked': True})
    else:
        if not line.picked:
            line._do_unreserve()
        line.write({'manual_consumption': True, 'move_line_ids': [Command.create({
            'product_id': product.id, 'product_uom_id': product.uom_id.id, 'quantity': quantity, 'lot_id': lot.id,
            'location_id': source.id, 'location_dest_id': line.location_dest_id.id, 'company_id': order.company_id.id, 'picked': True})]})
        line.write({'picked': True})
    after = line.product_uom._compute_quantity(line.quantity, product.uom_id, rounding_method='HALF-UP')
    if product.uom_id.compare(after, before + quantity) != 0 or not line.picked:
        raise UserError("Odoo left the consumption of %s in order %s at %s instead of %s." % (product.display_name, event['order'], after, before + quantity))
    return {'model': 'stock.move', 'id': line.id}


def consume_late(event, orders, product, lot, quantity):
    """Material of an order that is done already goes out of stock at once, and is shown with the order."""
    order = orders.filtered(lambda mo: mo.state == 'done')[-1:]
    if not order:
        raise UserError("Order %s is cancelled in Odoo: create it anew with this source document, or correct the event at its source." % event['order'])
    source = location(event, event['location']) if event.get('location') else order.location_src_id
    guard('stock %s %s' % (event['item'], event.get('lot') or ''))
    done = move(product, lot, quantity, source, order.production_location_id, order.name, {'raw_material_production_id': order.id})
    return {'model': 'stock.move', 'id': done.id, 'note': 'the order was done already'}


def reserve(event):
    product = item(event['item'], event['quantity'], event.get('lot'))
    lot = lot_of(product, event['lot']) if event.get('lot') else env['stock.lot']
    if event.get('order'):
        order = open_part(parts(event['order']))
        if not order:
            raise UserError("Production order %s is not open in Odoo: release it at its source, or create and confirm it in Odoo with this source document." % event['order'])
        line, source = component(event, order, product), order.location_src_id
    else:
        line = env['stock.move']
        if 'sale_line_id' in env['stock.move']._fields:
            sales = env['sale.order'].search(['|', ('name', '=', event['demand']), ('client_order_ref', '=', event['demand'])])
            line = line.search([('sale_line_id', 'in', sales.order_line.ids), ('product_id', '=', product.id), ('state', 'not in', ['done', 'cancel']),
                                ('location_dest_id.usage', '=', 'customer')], order='id', limit=1)
        if not line:
            raise UserError("No open delivery of item %s for demand %s is in Odoo: confirm its sales order." % (event['item'], event['demand']))
        source = line.location_id
    if line.picked:
        raise UserError("Material %s is consumed already: nothing of it can be reserved." % product.display_name)
    if event.get('location'):
        source = location(event, event['location'])
    guard('stock %s %s' % (event['item'], event.get('lot') or ''))
    wanted = amount(event['quantity'], product.uom_id)
    line._do_unreserve()
    if product.uom_id.compare(line.product_uom._compute_quantity(line.product_uom_qty, product.uom_id), wanted) < 0:
        line.write({'product_uom_qty': product.uom_id._compute_quantity(wanted, line.product_uom)})
        line._do_unreserve()
    taken = take_free(line, wanted, source, lot) if not product.uom_id.is_zero(wanted) else 0.0
    if product.uom_id.compare(taken or 0.0, wanted) != 0:
        raise UserError("Only %s of %s %s is free in %s: correct the stock in Odoo, or the reservation at its source."
                        % (taken or 0.0, wanted, product.display_name, source.display_name))
    return {'model': 'stock.move', 'id': line.id}


def take_free(line, wanted, source, lot):
    """Reserves what is free of a quantity, and tells how much that was."""
    return line._update_reserved_quantity(wanted, source, lot_id=lot, strict=False)
