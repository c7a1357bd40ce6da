#pragma once

#include "base/thread_pool.h"
#include "quant/matrix/matrix_view.h"

namespace halftone {

/// Which part of a square product is wanted. `lower`: tiles that lie wholly above the diagonal stay as they
/// are.
enum class ProductPart { all, lower };

/// C = beta * C + alpha * A B, in f32; A [m, k], B [k, n], C [m, n] with column_step 1. Sums over 256 columns
/// of A are kept in registers and added to C one after the other. With beta 0 whatever C holds is forgotten.
/// The same result whatever the number of threads. C must not overlap A or B.
void multiply(float alpha, MatrixView a, MatrixView b, float beta, MutableMatrixView c, ThreadPool& threads,
              ProductPart part = ProductPart::all);

}  // namespace halftone
