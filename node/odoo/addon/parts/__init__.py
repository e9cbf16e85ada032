"""The effects of events, by part of the business: the code that elsewhere is that of server actions."""
from . import {{range $i, $p := .Parts}}{{if $i}}, {{end}}{{$p.File}}{{end}}

PARTS = {
{{- range .Parts}}
    '{{.Name}}': {{.File}}.run,
{{- end}}
}
