// Package totals adds up a month's postings, per site, account, currency and financial dimension: as the events say, and as Odoo's books have
// them. Both are exact decimals, and have to agree; where they do not, the postings behind it are named.
package totals
