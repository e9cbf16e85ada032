// Package file brings in the tables that a plant's systems drop into a folder.
//
// The adapter reads one file after the other, oldest first, in chunks. A chunk's events and the progress behind it are one
// write of the log: whatever happens, a row is recorded once and counted once. Rows that make no event are kept in a reject
// file beside the input, with line, field and reason; nothing else is held up by them.
package file
