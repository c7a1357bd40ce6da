#include "runtime/shared_steps.h"

namespace halftone {

const SharedOperand* shares_with_step_before(const Plan& plan, size_t step) {
  if (step == 0) return nullptr;
  const Step &mine = plan.steps()[step], &before = plan.steps()[step - 1];
  const auto* wanted = dynamic_cast<const SharedOperand*>(mine.prepared.get());
  const auto* left = dynamic_cast<const SharedOperand*>(before.prepared.get());
  if (!wanted || !left) return nullptr;
  const auto input = [&](const Step& of) {
    return plan.graph().nodes()[static_cast<size_t>(of.node)].inputs[0];
  };
  return input(mine) == input(before) && wanted->has_form_of(*left) ? wanted : nullptr;
}

}  // namespace halftone
