package sandbox

import "strings"

// createModel makes a manual model, with the fields that come along.
func (x *call) createModel(raw map[string]any) (*row, error) {
	name, _ := raw["model"].(string)
	label, _ := raw["name"].(string)
	if !strings.HasPrefix(name, "x_") {
		return nil, &fault{422, "odoo.exceptions.ValidationError", "The model name must start with 'x_'."}
	}
	if x.tables[name] != nil {
		return nil, &fault{422, "odoo.exceptions.ValidationError", "Each model must have a unique name."}
	}
	t := newTable(name, label)
	t.readOnly = true
	x.tables[name] = t
	x.undo = append(x.undo, func() { delete(x.tables, name) })
	t.addField("create_date", field{kind: char})
	model := x.insert("ir.model", map[string]any{"model": name, "name": label})
	fields, _ := raw["field_id"].([]any)
	for _, item := range fields {
		command, _ := item.([]any)
		if len(command) != 3 {
			return nil, valueError("field_id: not a command")
		}
		values, _ := command[2].(map[string]any)
		accepted, err := x.accept(x.table("ir.model.fields"), values)
		if err != nil {
			return nil, err
		}
		accepted["model_id"] = model.id
		if _, err := x.createField(accepted); err != nil {
			return nil, err
		}
	}
	return model, nil
}

// createField gives a model a manual field.
func (x *call) createField(values map[string]any) (*row, error) {
	id, _ := values["model_id"].(int64)
	model := x.get("ir.model", id)
	if model == nil {
		return nil, missingError("ir.model", id)
	}
	name, _ := values["name"].(string)
	kind, _ := values["ttype"].(string)
	t := x.table(model.str("model"))
	if _, exists := t.fields[name]; exists {
		return nil, &fault{422, "odoo.exceptions.ValidationError", "Field names must be unique per model."}
	}
	t.addField(name, fieldOf(kind))
	x.undo = append(x.undo, func() { delete(t.fields, name); delete(t.index, name) })
	values["model"] = t.name
	return x.insert("ir.model.fields", values), nil
}
