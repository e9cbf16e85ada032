"""The names that Odoo gives the code of server actions (ir.actions.server, _get_eval_context), from where Odoo has them."""
from base64 import b64decode, b64encode

from pytz import timezone

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import float_compare
from odoo.tools.safe_eval import datetime, dateutil, time
