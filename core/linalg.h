/* linalg.h - matrices of doubles for what measures samples (linalg.c): products by BLAS, eigenvalues by LAPACK, and the
 * scalar products of all rows of two matrices. Internal to core. Matrices are row-major. */
#ifndef GAN_LINALG_H
#define GAN_LINALG_H

#include "gan.h"

/* Fails unless both are sets of samples, n x d of the same d, finite, of at least `fewest` samples each (measure.c). */
void gan_check_samples(const char *function, gan_tensor *a, gan_tensor *b, int64_t fewest);

/* The numbers of t as doubles, in scratch memory. */
double *gan_as_doubles(gan_tensor *t);

/* C[m x n] = A B, A m x k, or k x m where ta; B k x n, or n x k where tb. On all threads, whose number changes nothing.
 * Fails when cancelled, and for sizes beyond an int. */
void gan_product_of_doubles(gan_context *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double *a,
                            const double *b, double *c);

/* The eigenvalues of the symmetric n x n matrix a, rising. Where `vectors`, row i of a becomes the eigenvector of value
 * i, of length 1; else a's numbers are lost. One call to LAPACK, which a cancel does not end: about 9 n^3 operations
 * with vectors, some seconds for n = 2048. Fails where LAPACK does not converge. */
void gan_eigen_symmetric(gan_context *ctx, int64_t n, double *a, double *values, bool vectors);

/* Is told the scalar products of the rows from `row` on with the other matrix's rows from `column` on: product (i, j) is
 * at products[i * stride + j]. Runs in several threads, cannot fail; one row's columns come in their order. */
typedef void gan_visit_products(void *user, int64_t row, int64_t rows, int64_t column, int64_t columns,
                                const double *products, int64_t stride);
/* Has visit called for all rows of a (na x dims) with all rows of b (nb x dims). Fails when cancelled. */
void gan_products_of_rows(gan_context *ctx, int64_t na, const double *a, int64_t nb, const double *b, int64_t dims,
                          gan_visit_products *visit, void *user);

#endif
