#pragma once

#include "base/thread_pool.h"
#include "quant/matrix/matrix_view.h"

namespace halftone {

/// Replaces the lower triangle of a symmetric matrix by L of A = L L^T. What lies above the diagonal is not
/// read and holds anything afterwards. Returns false, the matrix spoilt, when A is not positive definite (to
/// the precision of f32) or not finite. Blocks of 128 columns, diagonal blocks in double.
bool factor_cholesky(MutableMatrixView a, ThreadPool& threads);

/// Replaces a lower triangular matrix without zeros on its diagonal by its inverse. What lies above the
/// diagonal is not read and is zero afterwards.
void invert_lower(MutableMatrixView l, ThreadPool& threads);

/// Replaces a symmetric positive definite A (its lower triangle is read) by the upper triangular U of A^-1 =
/// U^T U, zeros below the diagonal, without ever forming the inverse: with J turning the order of rows and
/// columns round, J A J = L L^T gives U = J L^-1 J. False, the matrix spoilt, as for factor_cholesky().
bool factor_inverse(MutableMatrixView a, ThreadPool& threads);

}  // namespace halftone
