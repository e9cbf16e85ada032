results = []
for event in mesh['events']:
    if fence(event):
        results.append({'status': 'duplicate'})
    else:
        result = effects[event['effect']](event)
        passed(event, result)
        results.append(dict(result, status='applied'))
action = {'results': results}
