#include "ops/identity/identity.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {

const OpSchema& identity_schema() {
  static const OpSchema schema = {
      .name = "Identity",
      .domain = "",
      .inputs = {{"input"}},
      .outputs = {"output"},
      .infer = infer_same,
      .cost = movement_cost,
      .reference = copy_reference,
      .alias = true,
  };
  return schema;
}

}  // namespace halftone
