# Each event once: fences, the journal, and guards between transactions.

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
                      VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, now() at time zone 'UTC') RETURNING create_date""",
                   [event['event'], event['type'], event['stream'], event['offset'], event['subject'],
                    result['model'], result['id'], result.get('note') or None, env.uid])
    return str(env.cr.fetchone()[0])


def journal(event):
    """What the journal says of an event: its result as it was when the event was applied. It is empty for one that was discarded since."""
    env.cr.execute("SELECT x_model, x_record, x_note, create_date FROM x_mesh_applied WHERE x_event = %s", [event['event']])
    row = env.cr.fetchone()
    return {'model': row[0], 'id': row[1], 'note': row[2] or '', 'time': str(row[3])} if row else {}


def record_name(result):
    """How people know the record of a result."""
    if result.get('model') not in everywhere:
        return ''
    return everywhere[result['model']].browse(result['id']).exists().display_name or ''


def guard(key):
    """Makes transactions that touch the same key wait for one another; the later one starts again with a fresh view."""
    env.cr.execute("""INSERT INTO x_mesh_fence (x_key, x_seq) VALUES (%s, '1')
                      ON CONFLICT (x_key) DO UPDATE SET x_seq = (x_mesh_fence.x_seq::bigint + 1)::text""", ['guard ' + key])


def unique_indexes(names):
    """How many of these unique indexes there are."""
    if not names:
        return 0
    env.cr.execute("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE 'CREATE UNIQUE%%' AND indexname = ANY(%s)", [names])
    return env.cr.fetchone()[0]


def enlist(entry):
    """Notes an action where every user may read which there are. Only an administrator, who may change actions, notes one."""
    env['ir.actions.server'].browse(entry['action']).check_access('write')
    found = env['x_mesh_register'].sudo().search([('x_name', '=', entry['name'])])
    values = {'x_name': entry['name'], 'x_action': entry['action'], 'x_fingerprint': entry['fingerprint']}
    if found:
        found.write(values)
    else:
        found.create(values)
