#pragma once

#include <string>

#include "ops/op_schema.h"

namespace halftone {

/// The operator that a configuration's `hidden_act` names, and its attributes.
struct NamedActivation {
  const OpSchema* op;
  Attributes attributes;
};

/// Throws UnsupportedError, naming `source` and the known ones, for another name.
NamedActivation activation_named(const std::string& name, const std::string& source);

}  // namespace halftone
