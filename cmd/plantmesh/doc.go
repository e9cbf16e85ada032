// Command plantmesh runs a site's node, and is the tool for the people who set it up, look into it and feed it.
package main
