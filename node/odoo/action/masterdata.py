# Master data: each event is the whole of one thing as it is now.

def money(event, what):
    """An amount in the company's currency, which is the only one that these fields of Odoo have."""
    own = warehouse(event).company_id.currency_id
    if event[what]['currency'] != own.name:
        raise UserError("The %s of %s is in %s, the company keeps its books in %s: correct it at its source." % (what, event['subject'], event[what]['currency'], own.name))
    return float(event[what]['amount'])


def category(path):
    found = env['product.category']
    for name in path.split(' / '):
        parent = found
        found = env['product.category'].search([('name', '=', name), ('parent_id', '=', parent.id)], limit=1)
        if not found:
            guard('category ' + name)
            found = env['product.category'].create({'name': name, 'parent_id': parent.id})
    return found


def define_item(event):
    products = env['product.product'].with_context(active_test=False).with_company(warehouse(event).company_id)
    found = products.search([('default_code', '=', event['item'])], limit=2)
    if len(found) > 1:
        raise UserError("Item %s is the reference of several products in Odoo: keep it on one of them." % event['item'])
    base = unit(event['quantity'])
    values = {'name': event['name'], 'default_code': event['item'], 'type': 'service' if event['kind'] == 'service' else 'consu',
              'is_storable': event['kind'] == 'stocked', 'tracking': event['tracking'] if event['kind'] == 'stocked' else 'none',
              'purchase_ok': bool(event.get('purchased')), 'sale_ok': bool(event.get('sold')), 'barcode': event.get('barcode') or False}
    if event.get('category'):
        values['categ_id'] = category(event['category']).id
    if event.get('cost'):
        values['standard_price'] = money(event, 'cost')
    if event.get('price'):
        values['list_price'] = money(event, 'price')
    if not found:
        guard('item ' + event['item'])
        found = products.create(dict(values, uom_id=base.id))
    else:
        if found.uom_id != base:
            values['uom_id'] = base.id
        found.write(values)
    if found.active == bool(event.get('retired')):
        found.product_tmpl_id.write({'active': not event.get('retired')})
        found.write({'active': not event.get('retired')})
    if found.uom_id != base or found.active == bool(event.get('retired')) or found.tracking != values['tracking']:
        raise UserError("Odoo left item %s in unit %s, %s, tracked by %s." % (event['item'], found.uom_id.name, 'in use' if found.active else 'archived', found.tracking))
    return {'model': 'product.product', 'id': found.id}


def define_bill(event):
    product = item(event['item'], event['quantity'])
    bills = env['mrp.bom'].with_context(active_test=False)
    bill = bills.search([('code', '=', event['bom'])], limit=1)
    values = {'code': event['bom'], 'product_tmpl_id': product.product_tmpl_id.id, 'product_qty': amount(event['quantity']), 'product_uom_id': unit(event['quantity']).id,
              'active': not event.get('retired')}
    if event.get('for_site'):
        values['picking_type_id'] = warehouse(event).manu_type_id.id
    if bill:
        bill.write(values)
    else:
        guard('bill of materials ' + event['bom'])
        bill = bills.create(values)
    kept = env['mrp.bom.line']
    for component in event.get('components') or []:
        material = item(component['item'], component['quantity'])
        line = env['mrp.bom.line'].search([('bom_id', '=', bill.id), ('x_mesh_line', '=', component['line'])], limit=1)
        about = {'bom_id': bill.id, 'x_mesh_line': component['line'], 'product_id': material.id, 'product_qty': amount(component['quantity']),
                 'product_uom_id': unit(component['quantity']).id, 'operation_id': operation_of(bill, component['operation']).id if component.get('operation') else False}
        if line:
            line.write(about)
        else:
            line = line.create(about)
        kept |= line
    (bill.bom_line_ids - kept).unlink()
    if bill.bom_line_ids != kept and set(bill.bom_line_ids.ids) != set(kept.ids):
        raise UserError("Odoo left bill of materials %s with %s components." % (event['bom'], len(bill.bom_line_ids)))
    return {'model': 'mrp.bom', 'id': bill.id}


def operation_of(bill, name):
    found = env['mrp.routing.workcenter'].search([('bom_id', '=', bill.id), ('x_mesh_operation', '=', name)], limit=1)
    if not found:
        raise UserError("Operation %s of bill of materials %s is not in Odoo: publish its routing (RoutingChanged)." % (name, bill.code))
    return found


def define_routing(event):
    bill = env['mrp.bom'].with_context(active_test=False).search([('code', '=', event['bom'])], limit=1)
    if not bill:
        raise UserError("Bill of materials %s is not in Odoo: publish it (BillOfMaterialsChanged), or create it with this reference." % event['bom'])
    operations = env['mrp.routing.workcenter'].with_context(active_test=False)
    kept = operations
    for step in event.get('operations') or []:
        found = operations.search([('bom_id', '=', bill.id), ('x_mesh_operation', '=', step['operation'])], limit=1)
        values = {'bom_id': bill.id, 'x_mesh_operation': step['operation'], 'name': step['name'], 'workcenter_id': work_center(step['work_center']).id,
                  'sequence': step['sequence'], 'active': True}
        if step.get('minutes'):
            values['time_mode'] = 'manual'
            values['time_cycle_manual'] = float(step['minutes'])
        if found:
            found.write(values)
        else:
            found = found.create(values)
        kept |= found
    gone = operations.search([('bom_id', '=', bill.id), ('active', '=', True)]) - kept
    gone.write({'active': False})
    if env['mrp.routing.workcenter'].search_count([('bom_id', '=', bill.id)]) != len(kept):
        raise UserError("Odoo left bill of materials %s with other operations." % event['bom'])
    bill.write({'x_mesh_routing': event.get('routing')})
    return {'model': 'mrp.bom', 'id': bill.id}


def define_work_center(event):
    centers = env['mrp.workcenter'].with_context(active_test=False)
    found = centers.search([('code', '=', event['work_center'])], limit=1) or centers.search([('name', '=', event['work_center'])], limit=1)
    values = {'name': event['name'], 'code': event['work_center'], 'time_efficiency': float(event.get('efficiency') or '100'), 'active': not event.get('retired')}
    if event.get('cost'):
        values['costs_hour'] = money(event, 'cost')
    if found and found.code and found.code != event['work_center']:
        values.update({'name': found.name, 'code': found.code})  # by its name it is known here: both stay
    if found:
        found.write(values)
    else:
        guard('work center ' + event['work_center'])
        found = centers.create(dict(values, resource_calendar_id=False))
    return {'model': 'mrp.workcenter', 'id': found.id}


def define_partner(event):
    field, rank = 'x_mesh_' + event['role'], event['role'] + '_rank'
    partners = env['res.partner'].with_context(active_test=False)
    found = partners.search([(field, '=', event['partner'])], limit=1) or partners.search([('ref', '=', event['partner']), (field, '=', False)], limit=1)
    values = {field: event['partner'], 'name': event['name'], 'is_company': True, 'vat': event.get('tax_number') or False, 'email': event.get('email') or False,
              'phone': event.get('phone') or False, 'street': event.get('street') or False, 'zip': event.get('postal_code') or False, 'city': event.get('city') or False,
              'active': not event.get('retired'), 'country_id': False}
    if event.get('country'):
        country = env['res.country'].search([('code', '=', event['country'])], limit=1)
        if not country:
            raise UserError("Country %s is not in Odoo: correct it at its source." % event['country'])
        values['country_id'] = country.id
    if rank in partners._fields and not found[rank]:
        values[rank] = 1
    if event.get('currency') and event['role'] == 'supplier' and 'property_purchase_currency_id' in partners._fields:
        currency = env['res.currency'].search([('name', '=', event['currency'])], limit=1)
        if not currency:
            raise UserError("Currency %s is not active in Odoo: activate it, or correct it at its source." % event['currency'])
        values['property_purchase_currency_id'] = currency.id
    if found:
        found.write(values)
    else:
        guard('partner ' + event['partner'])
        found = partners.create(dict(values, ref=event['partner']))
    return {'model': 'res.partner', 'id': found.id}


def analytic_plan(dimension):
    """The plan of a dimension: the mesh's own, or one of a person with that name. Odoo shows plans to a group of their own, which nothing else here needs."""
    plans = env['account.analytic.plan'].sudo()
    return plans.search([('x_mesh_dimension', '=', dimension)], limit=1) or plans.search([('x_mesh_dimension', '=', False), ('parent_id', '=', False), ('name', '=', dimension)], limit=1)


def analytic_account(plan, value):
    return env['account.analytic.account'].sudo().with_context(active_test=False).search([('plan_id', 'child_of', plan.ids), ('code', '=', value)], order='active desc, id', limit=1)


def dimension_value(dimension, value):
    found = analytic_account(analytic_plan(dimension), value).filtered('active')
    if not found:
        raise UserError("Value %s of dimension %s is not in Odoo: publish it (FinancialDimensionChanged)." % (value, dimension))
    return found


def define_dimension(event):
    if 'account.analytic.account' not in env:
        raise UserError("Analytic accounts are not in this database: install the app Invoicing or Accounting.")
    plan = analytic_plan(event['dimension'])
    if not plan:
        guard('dimension ' + event['dimension'])
        plan = plan.create({'name': event.get('dimension_name') or event['dimension'], 'x_mesh_dimension': event['dimension']})
    else:
        name = event.get('dimension_name') or plan.name
        if plan.name != name or plan.x_mesh_dimension != event['dimension']:
            plan.write({'name': name, 'x_mesh_dimension': event['dimension']})
    found = analytic_account(plan, event['value'])
    values = {'name': event['name'], 'code': event['value'], 'x_mesh_dimension': event['dimension'], 'active': not event.get('retired'), 'company_id': False}
    if found:
        found.write(values)
    else:
        found = found.create(dict(values, plan_id=plan.id))
    return {'model': 'account.analytic.account', 'id': found.id}
