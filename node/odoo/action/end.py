results = []
if mesh.get('register'):
    enlist(mesh['register'])
events = mesh.get('events') or []
made = {}
for kind in together:
    fresh = {}
    for event in events:
        if event['effect'] == kind and event['key'] not in fresh and not fence(event):
            fresh[event['key']] = event
    if len(fresh) > 1:
        made.update(together[kind](list(fresh.values())))
for event in events:
    if event['event'] not in made and fence(event):
        result = dict(journal(event), status='duplicate')
    else:
        result = dict(made.pop(event['event'], None) or effects[event['effect']](event), status='applied')
        result['time'] = passed(event, result)
    result['name'] = record_name(result)
    results.append(result)
action = {'results': results, 'indexes': unique_indexes(mesh.get('indexes'))}
