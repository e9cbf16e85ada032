results = []
if mesh.get('register'):
    enlist(mesh['register'])
events = mesh.get('events') or []
made = {}
for kind in together:
    taken = {}
    fresh = {}
    for event in events:
        if event['effect'] == kind and event['key'] not in taken and not fence(event):
            taken[event['key']] = True
            fresh.setdefault(at_site(event), []).append(event)
    for env in fresh:
        if len(fresh[env]) > 1:
            made.update(together[kind](fresh[env]))
for event in events:
    env = at_site(event)
    if event['event'] not in made and fence(event):
        result = dict(journal(event), status='duplicate')
    else:
        result = dict(made.pop(event['event'], None) or effects[event['effect']](event), status='applied')
        result['time'] = passed(event, result)
    result['name'] = record_name(result)
    results.append(result)
action = {'results': results, 'indexes': unique_indexes(mesh.get('indexes'))}
