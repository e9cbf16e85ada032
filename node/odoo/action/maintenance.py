# Equipment that stands still, and what is asked for to mend it.

def loss(name, kind):
    """A category of lost time."""
    found = env['mrp.workcenter.productivity.loss'].search([('name', '=', name)], limit=1)
    if not found:
        guard('loss ' + name)
        found = env['mrp.workcenter.productivity.loss'].create({
            'name': name, 'loss_id': env['mrp.workcenter.productivity.loss.type'].search([('loss_type', '=', kind)], limit=1).id, 'manual': True})
    return found


def down(event):
    center = work_center(event['work_center'])
    open_one = env['mrp.workcenter.productivity'].search([('x_mesh_downtime', '=', event['document']), ('workcenter_id', '=', center.id)], limit=1)
    if open_one:
        raise UserError("Downtime %s of work center %s is in Odoo already: give the new one an id of its own." % (event['document'], event['work_center']))
    if event.get('reason'):
        category = loss(event['reason'], 'availability')
    else:
        category = loss('Planned maintenance', 'availability') if event.get('planned') else env.ref('mrp.block_reason1')
    entry = env['mrp.workcenter.productivity'].create({
        'workcenter_id': center.id, 'company_id': (center.company_id or warehouse(event).company_id).id, 'loss_id': category.id, 'date_start': event['start'],
        'description': event.get('comment') or False, 'x_mesh_event': event['event'], 'x_mesh_downtime': event['document']})
    return {'model': 'mrp.workcenter.productivity', 'id': entry.id}


def up(event):
    center = work_center(event['work_center'])
    entry = env['mrp.workcenter.productivity'].search([('x_mesh_downtime', '=', event['document']), ('workcenter_id', '=', center.id)], limit=1)
    if not entry:
        raise UserError("Downtime %s of work center %s is not in Odoo: enter it by hand, and skip the event." % (event['document'], event['work_center']))
    if entry.date_end:
        raise UserError("Downtime %s ended at %s in Odoo already: correct it there, or skip the event." % (event['document'], entry.date_end))
    if str(entry.date_start) > event['end']:
        raise UserError("Downtime %s began at %s in Odoo, the event says it ended at %s: correct one of them." % (event['document'], entry.date_start, event['end']))
    entry.write({'date_end': event['end']})
    if event.get('comment'):
        entry.write({'description': ('%s; %s' % (entry.description, event['comment'])) if entry.description else event['comment']})
    if str(entry.date_end) != event['end']:
        raise UserError("Odoo left the end of downtime %s at %s." % (event['document'], entry.date_end))
    return {'model': 'mrp.workcenter.productivity', 'id': entry.id}


def request(event):
    if 'maintenance.request' not in env:
        raise UserError("Maintenance requests are not in this database: install the app Maintenance.")
    equipment = env['maintenance.equipment']
    if event.get('asset'):
        equipment = equipment.search(['|', ('serial_no', '=', event['asset']), ('name', '=', event['asset'])], limit=1)
    about = []
    if event.get('work_center'):
        about.append('Work center: ' + event['work_center'])
    if event.get('asset') and not equipment:
        about.append('Asset: ' + event['asset'])
    if event.get('comment'):
        about.append(event['comment'])
    values = {'name': event['title'], 'maintenance_type': event['maintenance'], 'priority': event['priority'], 'equipment_id': equipment.id,
              'company_id': warehouse(event).company_id.id, 'description': '\n'.join(about) or False}
    if event.get('start'):
        values['schedule_date'] = event['start']
    record = env['maintenance.request'].create(values)
    return {'model': 'maintenance.request', 'id': record.id}
