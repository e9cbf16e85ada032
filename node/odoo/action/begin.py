# Applies plantmesh events in Odoo. It is the code of a server action that plantmesh provisions and keeps up to date, or
# of the add-on plantmesh_connector: change it in node/odoo/action/, not in Odoo.
#
# One call is one transaction. It carries events in env.context['mesh']; for each of them the fence row of its stream
# and subject is locked, an event that was applied before is answered as a duplicate, otherwise its effect is made, its
# resulting state checked, and a row of the journal x_mesh_applied written. Any error undoes the whole call.
#
# Odoo runs this through safe_eval: no imports, no closures (so no comprehension or lambda inside a function that uses
# the function's own names), no attribute assignment, no `with`.

mesh = env.context.get('mesh')
if not mesh:
    raise UserError('This action is run by plantmesh, with the events to apply. It does nothing by hand.')
everywhere = env = env(context={'lang': 'en_US'})  # in all companies that the user may work in
at_companies = {}
may_create = mesh.get('create', [])
