# The books.

def post(event):
    return post_all([event])[event['event']]


def post_all(events):
    """Books postings together, which costs Odoo far less than one by one, and returns the results by event. A refused one refuses them all."""
    if 'account.move' not in env:
        raise UserError("Journal entries are not in this database: install the app Invoicing or Accounting.")
    results = {}
    documents = {}
    companies = {}
    for event in events:
        company = warehouse(event).company_id
        known = (event['document'], company.id)
        if known in documents or env['account.move'].search_count([('x_mesh_posting', '=', event['document']), ('company_id', '=', company.id)]):
            raise UserError("Posting %s is in the books already: give the new one an id of its own, or skip the event." % event['document'])
        documents[known] = True
        companies.setdefault(company, []).append(event)
    for company in companies:
        entries = []
        for event in companies[company]:
            entries.append(journal_entry(event, company))
        records = env['account.move'].with_company(company).create(entries)
        records.action_post()
        for number in range(len(records)):
            event = companies[company][number]
            record = records[number]
            lines = entries[number]['line_ids']
            if record.state != 'posted' or str(record.date) != event['date'] or len(record.line_ids) != len(lines):
                raise UserError("Odoo left posting %s in state %s on %s with %s lines instead of posting it on %s with %s: correct what keeps Odoo from it, such as a locked period."
                                % (event['document'], record.state, record.date, len(record.line_ids), event['date'], len(lines)))
            results[event['event']] = {'model': 'account.move', 'id': record.id}
    return results


def journal_entry(event, company):
    journal = env['account.journal'].search([('code', '=', event['journal']), ('company_id', '=', company.id)], limit=1)
    if not journal:
        raise UserError("Journal %s is not in Odoo: create a journal with this short code." % event['journal'])
    lines = []
    for line in event['postings']:
        account = env['account.account'].with_company(company).search([('code', '=', line['account'])], limit=1)
        if not account:
            raise UserError("Account %s is not in Odoo: create it, or correct it at its source." % line['account'])
        currency = env['res.currency'].search([('name', '=', line['currency'])], limit=1)
        if not currency:
            raise UserError("Currency %s is not active in Odoo: activate it, or correct it at its source." % line['currency'])
        value = float(line['amount'])
        if currency.compare_amounts(value, currency.round(value)) != 0 or abs(value - currency.round(value)) > 1e-9:
            raise UserError("Amount %s %s is finer than that currency is kept in Odoo: correct it at its source." % (line['amount'], line['currency']))
        entry = {'account_id': account.id, 'name': line.get('label') or event.get('reference') or event['document'], 'currency_id': currency.id}
        if currency == company.currency_id:
            entry[line['side']] = value
        else:
            entry.update(in_currency(event, currency, company, value if line['side'] == 'debit' else -value))
        if line.get('partner'):
            partner = env['res.partner'].search(['|', '|', ('x_mesh_supplier', '=', line['partner']), ('x_mesh_customer', '=', line['partner']), ('ref', '=', line['partner'])], limit=1)
            if not partner:
                raise UserError("Customer or supplier %s is not in Odoo: publish it as master data, or create it with this reference." % line['partner'])
            entry['partner_id'] = partner.id
        shares = {}
        for share in line.get('shares') or []:
            shares[str(dimension_value(share['dimension'], share['value']).id)] = float(share.get('percent') or '100')
        if shares:
            entry['analytic_distribution'] = shares
        lines.append(Command.create(entry))
    return {'move_type': 'entry', 'journal_id': journal.id, 'date': event['date'], 'ref': event.get('reference') or event['document'],
            'x_mesh_posting': event['document'], 'line_ids': lines}


def in_currency(event, currency, company, value):
    return {'amount_currency': value}


def cost(event):
    company = warehouse(event).company_id
    product = item(event['item'], event['quantity']).with_company(company)
    per = amount(event['quantity'], product.uom_id)
    value = money(event, 'cost') / per
    product.write({'standard_price': value})
    if abs(product.standard_price - value) > 0.01:
        raise UserError("Odoo left the cost of %s at %s instead of %s." % (product.display_name, product.standard_price, value))
    return {'model': 'product.product', 'id': product.id}
