#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "ops/constant.h"

namespace halftone {

/// The tensor at `view`, which lies inside `file`, as a constant that reads nothing before it is loaded.
///
/// A loaded tensor shares the file's pages (a misaligned one is copied) and gives them back when the last
/// copy of it goes. `where` names file and tensor in errors. Loading a boolean tensor that holds other bytes
/// than 0 and 1 is an InputError.
Constant mapped_constant(std::shared_ptr<const MappedFile> file, const TensorView& view, std::string where);

/// As mapped_constant()'s load(), at once.
Tensor mapped_tensor(const std::shared_ptr<const MappedFile>& file, const TensorView& view,
                     const std::string& where);

}  // namespace halftone
