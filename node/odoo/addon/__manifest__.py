{
    'name': 'plantmesh: connector',
    'summary': 'Applies the events of a plantmesh mesh, each exactly once',
    'description': 'See README.md.',
    'version': '{{.Major}}.0.{{.Version}}.0.0',
    'category': 'Manufacturing',
    'license': 'Other OSI approved licence',
    'author': 'plantmesh',
    'depends': ['mrp'],
    'data': [],
}
