// Package setup makes what a site needs before its node can run: the CA of the mesh, certificates and a configuration.
//
//	<mesh folder>/ca/         ca.crt and ca.key: keep the key off the sites
//	<mesh folder>/<site>/     plantmesh.yaml, <site>.crt, <site>.key, ca.crt: copy this folder to the site
//	<mesh folder>/clients/    <client>.crt, <client>.key, ca.crt
package setup
