#pragma once

#include "backend/kernel.h"

namespace halftone {

/// What a PreparedKernel is besides, if it first turns input 0 into a form of its own in the workspace and
/// only reads that form afterwards. Nodes that run one after the other on the same input (q, k and v; gate
/// and up) then make the form once.
class SharedOperand {
 public:
  virtual ~SharedOperand() = default;
  /// Whether `other` leaves in the workspace what this one would make of the same input at the same sizes.
  virtual bool has_form_of(const SharedOperand& other) const = 0;
  /// PreparedKernel::run() right after a kernel for which has_form_of() holds: same input, same workspace.
  virtual void run_on_form(const KernelRun& run) const = 0;
};

}  // namespace halftone
