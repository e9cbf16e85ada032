results = []
if mesh.get('register'):
    enlist(mesh['register'])
for event in mesh.get('events') or []:
    if fence(event):
        result = dict(journal(event), status='duplicate')
    else:
        result = dict(effects[event['effect']](event), status='applied')
        result['time'] = passed(event, result)
    result['name'] = record_name(result)
    results.append(result)
action = {'results': results, 'indexes': unique_indexes(mesh.get('indexes'))}
