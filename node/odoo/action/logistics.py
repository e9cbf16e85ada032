# Goods that go from site to site, to customers, and come from suppliers.

def pieces(material):
    """What a line of an event moves: products, lots and quantities in the product's unit; each serial number is one."""
    names = material.get('serials') or ([material['lot']] if material.get('lot') else [])
    product = item(material['item'], material['quantity'], names[0] if names else '', 'serial' if material.get('serials') else 'lot')
    quantity = amount(material['quantity'], product.uom_id)
    if product.uom_id.is_zero(quantity):
        raise UserError("%s %s is less than Odoo's precision of quantities: raise the precision 'Product Unit' in Odoo." % (material['quantity']['value'], material['quantity']['unit']))
    if product.tracking != 'none' and not names:
        raise UserError("Item %s is tracked by %s in Odoo, and the event names none: correct it at its source." % (material['item'], product.tracking))
    guard('stock %s %s' % (material['item'], names[0] if names else ''))
    if not material.get('serials'):
        return [(product, lot_of(product, names[0]) if names else env['stock.lot'], quantity)]
    if len(names) != quantity:
        raise UserError("The event names %s serial numbers for %s %s of item %s: correct it at its source."
                        % (len(names), material['quantity']['value'], material['quantity']['unit'], material['item']))
    all_of_them = []
    for name in names:
        all_of_them.append((product, lot_of(product, name), 1.0))
    return all_of_them


def move_line(product, lot, quantity, source, target, company):
    return {'product_id': product.id, 'product_uom_id': product.uom_id.id, 'quantity': quantity, 'lot_id': lot.id, 'location_id': source.id,
            'location_dest_id': target.id, 'company_id': company.id, 'picked': True}


def sum_up(sums, product, lot, quantity):
    key = '%s %s' % (product.id, lot.id)
    sums[key] = sums.get(key, 0.0) + quantity
    return sums[key]


def check_moved(record, asked):
    """A picking is done, and moved what was asked of each item and lot, and nothing else."""
    moved = {}
    for line in record.move_line_ids:
        if line.state == 'done':
            sum_up(moved, line.product_id, line.lot_id, line.quantity_product_uom)
    wrong = record.state != 'done' or set(moved) != set(asked)
    for key in asked:
        wrong = wrong or abs(moved.get(key, 0.0) - asked[key]) > 0.000001
    if wrong:
        raise UserError("Odoo left %s in state %s with %s moved instead of %s (by product and lot). Validate it by hand, or correct what keeps Odoo from it."
                        % (record.name, record.state, moved, asked))


def picking(event, kind, source, target, values, lines=None, link=''):
    """A picking of its own, whose goods move at once. What Odoo does not have is moved all the same. Moves belong to the order's lines, if there are some."""
    record = env['stock.picking'].create(dict(values, picking_type_id=kind.id, location_id=source.id, location_dest_id=target.id, company_id=kind.company_id.id))
    asked = {}
    for material in event['materials']:
        for product, lot, quantity in pieces(material):
            sum_up(asked, product, lot, quantity)
            env['stock.move'].create(dict(order_line(product, material, lines, link), **{
                'product_id': product.id, 'product_uom': product.uom_id.id, 'product_uom_qty': quantity, 'origin': record.origin, 'picking_id': record.id,
                'location_id': source.id, 'location_dest_id': target.id, 'company_id': kind.company_id.id, 'picked': True,
                'move_line_ids': [Command.create(dict(move_line(product, lot, quantity, source, target, kind.company_id), picking_id=record.id))]}))
    record.move_ids._action_done()
    record.write({'date_done': env.cr.now()})
    check_moved(record, asked)
    return record


def order_line(product, material, lines, link):
    """The line of an order that a material is for: the one that is named, or else the first of its item."""
    found = False
    for line in lines or []:
        if material.get('line') and link == 'purchase_line_id' and line.x_mesh_line == material['line']:
            if line.product_id != product:
                raise UserError("Line %s of %s is of %s, the receipt says %s: correct it at its source."
                                % (material['line'], line.order_id.name, line.product_id.display_name, product.display_name))
            return {link: line.id}
        if line.product_id == product and not found:
            found = line
    return {link: found.id} if found else {}


def fulfil(event, record, lines, link):
    """Moves goods through a picking that is open already; what is missing waits in a backorder, if more is to come."""
    source = location(event, event['location']) if event.get('location') and link == 'sale_line_id' else record.location_id
    target, company = record.location_dest_id, record.company_id
    open_moves = record.move_ids.filtered(lambda m: m.state not in ('done', 'cancel'))
    open_moves.write({'picked': False})
    asked = {}
    for material in event['materials']:
        for product, lot, quantity in pieces(material):
            sum_up(asked, product, lot, quantity)
            for_line = order_line(product, material, lines, link)
            found = env['stock.move']
            for candidate in open_moves:
                if candidate.product_id == product and not found and (not for_line or candidate[link].id == for_line[link]):
                    found = candidate
            if not found:
                found = env['stock.move'].create(dict(for_line, **{
                    'product_id': product.id, 'product_uom': product.uom_id.id, 'product_uom_qty': 0, 'origin': record.origin, 'picking_id': record.id,
                    'location_id': source.id, 'location_dest_id': target.id, 'company_id': company.id}))
                open_moves |= found
            if reserved_for(found, product, lot, source, quantity) and found.move_line_ids.location_dest_id == target:
                found.move_line_ids.write({'quantity': quantity, 'picked': True})
                continue
            if not found.picked:
                found._do_unreserve()
            found.write({'move_line_ids': [Command.create(dict(move_line(product, lot, quantity, source, target, company), picking_id=record.id))], 'picked': True})
    open_moves.filtered(lambda m: not m.picked)._do_unreserve()
    options = {'skip_backorder': True, 'skip_sms': True}
    if not event.get('partial'):
        options['picking_ids_not_to_backorder'] = record.ids
    record.with_context(**options).button_validate()
    check_moved(record, asked)
    return record


def partner(event, role):
    found = env['res.partner'].search([('x_mesh_' + role, '=', event['partner_id'])], limit=1) or env['res.partner'].search([('ref', '=', event['partner_id'])], limit=1)
    if not found:
        raise UserError("%s %s is not in Odoo: publish it as master data, or create it with this reference." % (role.capitalize(), event['partner_id']))
    return found


def shipment(event):
    house, note, sales = warehouse(event), '', []
    if event.get('demand') and 'sale.order' in env:
        guard('demand ' + event['demand'])
        sales = env['sale.order'].search([('state', '!=', 'cancel'), '|', '|', ('x_mesh_demand', '=', event['demand']), ('name', '=', event['demand']),
                                          ('client_order_ref', '=', event['demand'])], order='id', limit=2)
        if len(sales) > 1:
            raise UserError("Demand %s is the reference of several sales orders: set Mesh: demand on one of them." % event['demand'])
    if sales:
        if sales.state in ('draft', 'sent'):
            sales.action_confirm()
        if sales.state != 'sale':
            raise UserError("Sales order %s is in state %s: confirm it, or discard the event." % (sales.name, sales.state))
        ready = sales.picking_ids.filtered(lambda p: p.state not in ('done', 'cancel') and p.picking_type_code == 'outgoing').sorted('id')[:1]
        if ready and ready.picking_type_id.warehouse_id.delivery_steps != 'ship_only':
            raise UserError("Warehouse %s delivers in several steps in Odoo, of which the event says one: deliver %s there by hand and discard the event, or set the warehouse to one step."
                            % (ready.picking_type_id.warehouse_id.name, sales.name))
        if ready:
            ready.write({'x_mesh_shipment': event['document']})
            return {'model': 'stock.picking', 'id': fulfil(event, ready, sales.order_line, 'sale_line_id').id}
        note = 'beyond what was ordered'
    customer = partner(event, 'customer')
    record = picking(event, house.out_type_id, location(event, event.get('location')), customer.property_stock_customer,
                     {'origin': event.get('demand') or event['document'], 'partner_id': customer.id, 'x_mesh_shipment': event['document']},
                     sales.order_line if sales else None, 'sale_line_id')
    return {'model': 'stock.picking', 'id': record.id, 'note': note}


def purchase_order(name):
    if 'purchase.order' not in env:
        raise UserError("Purchase orders are not in this database: install the app Purchase.")
    return env['purchase.order'].search([('x_mesh_purchase', '=', name)], limit=1) or env['purchase.order'].search([('name', '=', name)], limit=1)


def purchase(event):
    order = purchase_order(event['purchase'])
    if event['state'] == 'cancelled':
        if not order:
            raise UserError("Purchase order %s is not in Odoo: skip the event." % event['purchase'])
        if order.state != 'cancel':
            order.button_cancel()
        if order.state != 'cancel':
            raise UserError("Odoo left purchase order %s in state %s instead of cancelling it." % (order.name, order.state))
        return {'model': 'purchase.order', 'id': order.id}
    supplier = partner(event, 'supplier')
    values = {'partner_id': supplier.id, 'x_mesh_purchase': event['purchase'], 'origin': event['purchase'], 'partner_ref': event.get('reference') or False,
              'picking_type_id': warehouse(event).in_type_id.id, 'company_id': warehouse(event).company_id.id}
    for line in event.get('lines') or []:
        if line.get('price'):
            currency = env['res.currency'].search([('name', '=', line['price']['currency'])], limit=1)
            if not currency or values.get('currency_id', currency.id) != currency.id:
                raise UserError("Purchase order %s is in %s, which is not active in Odoo, or in several currencies: correct it." % (event['purchase'], line['price']['currency']))
            values['currency_id'] = currency.id
    if not order:
        guard('purchase ' + event['purchase'])
        order = env['purchase.order'].create(values)
    elif order.state == 'cancel':
        raise UserError("Purchase order %s is cancelled in Odoo: create it anew, or cancel it at its source." % order.name)
    elif order.partner_id != supplier:
        raise UserError("Purchase order %s is of %s in Odoo, the event says %s: correct one of them." % (order.name, order.partner_id.display_name, supplier.display_name))
    kept = env['purchase.order.line']
    for line in event.get('lines') or []:
        product = item(line['item'], line['quantity'])
        found = env['purchase.order.line'].search([('order_id', '=', order.id), ('x_mesh_line', '=', line['line'])], limit=1)
        about = {'product_qty': amount(line['quantity']), 'product_uom_id': unit(line['quantity']).id}
        if line.get('price'):
            about['price_unit'] = float(line['price']['amount'])
        if line.get('due'):
            about['date_planned'] = line['due']
        if found and found.product_id != product:
            raise UserError("Line %s of purchase order %s is of %s in Odoo, the event says %s: give the new line an id of its own." % (line['line'], order.name, found.product_id.display_name, line['item']))
        if found:
            found.write(about)
        else:
            found = found.create(dict(about, order_id=order.id, product_id=product.id, x_mesh_line=line['line']))
        kept |= found
    for gone in order.order_line - kept:
        if order.state in ('draft', 'sent'):
            gone.unlink()
        else:
            gone.write({'product_qty': gone.qty_received})
    if order.state in ('draft', 'sent'):
        order.button_confirm()
    if order.state not in ('purchase', 'to approve'):
        raise UserError("Odoo left purchase order %s in state %s instead of confirming it." % (order.name, order.state))
    return {'model': 'purchase.order', 'id': order.id, 'note': 'it waits for approval in Odoo' if order.state == 'to approve' else ''}


def goods_in(event):
    house, note = warehouse(event), ''
    order = None
    if event.get('purchase'):
        guard('purchase ' + event['purchase'])
        order = purchase_order(event['purchase'])
        if not order or order.state not in ('purchase', 'done'):
            raise UserError("Purchase order %s is not in Odoo, or not confirmed: publish it, or create and confirm it." % event['purchase'])
        ready = order.picking_ids.filtered(lambda p: p.state not in ('done', 'cancel') and p.picking_type_code == 'incoming').sorted('id')[:1]
        if ready:
            ready.write({'x_mesh_receipt': event['document']})
            if event.get('location'):
                place = location(event, event['location'])
                ready.write({'location_dest_id': place.id})
                ready.move_ids.filtered(lambda m: m.state not in ('done', 'cancel')).write({'location_dest_id': place.id})
            return {'model': 'stock.picking', 'id': fulfil(event, ready, order.order_line, 'purchase_line_id').id}
        note, supplier = 'beyond what was ordered', order.partner_id
    else:
        supplier = partner(event, 'supplier')
    record = picking(event, house.in_type_id, supplier.property_stock_supplier, location(event, event.get('location')),
                     {'origin': event.get('purchase') or event['document'], 'partner_id': supplier.id, 'x_mesh_receipt': event['document']},
                     order.order_line if order else None, 'purchase_line_id')
    return {'model': 'stock.picking', 'id': record.id, 'note': note}
