#include "formats/node_inputs.h"

#include "base/error.h"

namespace halftone {

void check_node_inputs(const OpSchema& schema, const std::vector<ValueId>& inputs, const std::string& where) {
  if (inputs.size() > schema.inputs.size() && !schema.variadic_inputs)
    throw InputError("{}: {} takes at most {} inputs, found {}", where, schema.name, schema.inputs.size(),
                     inputs.size());
  for (size_t i = 0; i < schema.inputs.size(); ++i)
    if (!schema.inputs[i].optional && (i >= inputs.size() || inputs[i] == kNoValue))
      throw InputError("{}: input \"{}\" of {} is missing", where, schema.inputs[i].name, schema.name);
  for (size_t i = schema.inputs.size(); i < inputs.size(); ++i)
    if (inputs[i] == kNoValue) throw InputError("{}: input {} of {} is missing", where, i, schema.name);
}

}  // namespace halftone
