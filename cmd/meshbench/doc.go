// Command meshbench runs plantmesh and NATS JetStream side by side and prints what each of them does, and the ratio. It is a Go
// module of its own, so that the product does not depend on what it is compared with. docs/performance.md says what each
// case compares.
package main
