"""The door through which a plantmesh node has the code in ../parts run."""
from odoo import api, models
from odoo.exceptions import AccessError

from ..parts import PARTS, administration

VERSION = {{.Version}}
FINGERPRINT = '{{.Fingerprint}}'  # of all files of this module
GROUP = '{{.Group}}'


class PlantmeshConnector(models.AbstractModel):
    _name = '{{.Model}}'
    _description = 'plantmesh: applies events'

    @api.model
    def version(self):
        """Which code this server has loaded."""
        return {'version': VERSION, 'fingerprint': FINGERPRINT}

    @api.model
    def apply(self, part, batch, fingerprint):
        """Applies a batch of events in this call's transaction, with the rights of its user, and returns what became of each.

        The fingerprint is that of the code which the node was written for: beside servers that are being upgraded, no event is applied
        by other code than the node asked.
        """
        if not (self.env.is_system() or GROUP in self._groups(self.env.user)):
            raise AccessError("Only administrators and the group '%s' may apply events." % GROUP)
        if fingerprint != FINGERPRINT:
            raise AccessError("This server has other code of the add-on {{.Module}} than the node asks for: see plantmesh odoo check.")
        return PARTS[part](self.env(context={'mesh': batch}))

    @api.model
    def setup(self):
        """Makes the unique indexes without which no event may be applied, and tells how many are there."""
        self._administrators_only()
        return administration.make_indexes(self.env)

    @api.model
    def make_key(self, user):
        """Makes an API key for a user of the connector's group, in place of earlier ones."""
        self._of_connector(user)
        return administration.make_key(self.env, user)

    @api.model
    def end_keys(self, user):
        """Ends the API keys that make_key made for a user of the connector's group."""
        self._of_connector(user)
        return administration.end_keys(self.env, user)

    def _administrators_only(self):
        if not self.env.is_system():
            raise AccessError("Only administrators (Settings) may set up what plantmesh needs.")

    def _of_connector(self, user):
        self._administrators_only()
        if GROUP not in self._groups(self.env['res.users'].browse(user)):
            raise AccessError("plantmesh makes and ends API keys only of users in the group '%s'." % GROUP)

    def _groups(self, user):
        """The names of a user's groups, as plantmesh odoo provision gave them. Only administrators name groups, and put users into them."""
        return user.sudo().with_context(lang='en_US').all_group_ids.mapped('name')
