#pragma once

#include "backend/shared_operand.h"
#include "runtime/plan.h"

namespace halftone {

/// The kernel of a step that finds its input 0 in the form that the step just before it left in the
/// workspace; null where there is none.
const SharedOperand* shares_with_step_before(const Plan& plan, size_t step);

}  // namespace halftone
