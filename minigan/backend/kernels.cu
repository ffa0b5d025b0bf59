// What CuPy has no fast or capturable function for. REAL is float or double: the file is compiled once for each.
//
// Every kernel walks its output with a stride as long as the grid, so that any grid gives the same numbers. Every output
// has one thread that gathers what belongs in it, in a fixed order: no atomics, the same bits at every run.

typedef unsigned long long Word;

#define EACH(i, total) \
    for (unsigned int i = blockIdx.x * blockDim.x + threadIdx.x; i < (total); i += gridDim.x * blockDim.x)

// Convolution. A window is: image h w c, kernel kh kw, stride sh sw, zeros above and to the left, stops oh ow. ---------

// cols[n oy ox, u v channel] = x[n, oy sh + u - top, ox sw + v - left, channel], or 0 outside.
extern "C" __global__ void im2col(const REAL* x, REAL* cols, unsigned int total, int h, int w, int c, int kh, int kw,
                                  int sh, int sw, int top, int left, int oh, int ow) {
    EACH(i, total) {
        unsigned int rest = i;
        const int channel = rest % c;
        rest /= c;
        const int v = rest % kw;
        rest /= kw;
        const int u = rest % kh;
        rest /= kh;
        const int column = static_cast<int>(rest % ow) * sw + v - left;
        rest /= ow;
        const int row = static_cast<int>(rest % oh) * sh + u - top;
        const unsigned int n = rest / oh;
        const bool inside = row >= 0 && row < h && column >= 0 && column < w;
        cols[i] = inside ? x[((n * h + row) * w + column) * c + channel] : 0;
    }
}

// x[n, row, column, channel] = the sum of what every patch that sees this pixel says about it.
extern "C" __global__ void col2im(const REAL* cols, REAL* x, unsigned int total, int h, int w, int c, int kh, int kw,
                                  int sh, int sw, int top, int left, int oh, int ow) {
    EACH(i, total) {
        unsigned int rest = i;
        const int channel = rest % c;
        rest /= c;
        const int column = static_cast<int>(rest % w) + left;
        rest /= w;
        const int row = static_cast<int>(rest % h) + top;
        const unsigned int n = rest / h;
        REAL sum = 0;
        for (int u = row % sh; u < kh && u <= row; u += sh) {
            const int oy = (row - u) / sh;
            for (int v = column % sw; v < kw && v <= column; v += sw) {
                const int ox = (column - v) / sw;
                if (oy < oh && ox < ow) sum += cols[((((n * oh + oy) * ow + ox) * kh + u) * kw + v) * c + channel];
            }
        }
        x[i] = sum;
    }
}

// Of several groups, a sum for each number, over its own group. Channels of a group: c / groups before it, d / groups
// behind it; W is (kh kw c / groups, d).

// y[n, oy, ox, l] = the sum over u, v and the channels of l's group of x[n, oy sh + u - top, ox sw + v - left, channel] W.
extern "C" __global__ void grouped_conv(const REAL* x, const REAL* W, REAL* y, unsigned int total, int h, int w, int c,
                                        int kh, int kw, int sh, int sw, int top, int left, int oh, int ow, int d,
                                        int groups) {
    const int before = c / groups, after = d / groups;
    EACH(i, total) {
        unsigned int rest = i;
        const int l = rest % d;
        rest /= d;
        const int column = static_cast<int>(rest % ow) * sw - left;
        rest /= ow;
        const int row = static_cast<int>(rest % oh) * sh - top;
        const unsigned int n = rest / oh;
        REAL sum = 0;
        for (int u = 0; u < kh; ++u) {
            if (row + u < 0 || row + u >= h) continue;
            for (int v = 0; v < kw; ++v) {
                if (column + v < 0 || column + v >= w) continue;
                const REAL* pixel = x + ((n * h + row + u) * w + column + v) * c + l / after * before;
                const REAL* weight = W + (u * kw + v) * before * d + l;
                for (int k = 0; k < before; ++k) sum += pixel[k] * weight[k * d];
            }
        }
        y[i] = sum;
    }
}

// x[n, row, column, channel] = the sum over all stops that see this pixel, and the outputs of the channel's group.
extern "C" __global__ void grouped_conv_dx(const REAL* dy, const REAL* W, REAL* x, unsigned int total, int h, int w,
                                           int c, int kh, int kw, int sh, int sw, int top, int left, int oh, int ow,
                                           int d, int groups) {
    const int before = c / groups, after = d / groups;
    EACH(i, total) {
        unsigned int rest = i;
        const int channel = rest % c;
        rest /= c;
        const int column = static_cast<int>(rest % w) + left;
        rest /= w;
        const int row = static_cast<int>(rest % h) + top;
        const unsigned int n = rest / h;
        const int first = channel / before * after;
        REAL sum = 0;
        for (int u = row % sh; u < kh && u <= row; u += sh) {
            const int oy = (row - u) / sh;
            for (int v = column % sw; v < kw && v <= column; v += sw) {
                const int ox = (column - v) / sw;
                if (oy >= oh || ox >= ow) continue;
                const REAL* change = dy + ((n * oh + oy) * ow + ox) * d + first;
                const REAL* weight = W + ((u * kw + v) * before + channel % before) * d + first;
                for (int l = 0; l < after; ++l) sum += change[l] * weight[l];
            }
        }
        x[i] = sum;
    }
}

// sums[part, u, v, k, l] = the sum over every parts-th stop of x under (u, v), channel k of l's group, times dy of l; in
// double. `add_sums` adds the parts.    total: parts times kh kw c / groups times d   stops: n oh ow
extern "C" __global__ void grouped_conv_dW(const REAL* x, const REAL* dy, double* sums, unsigned int total,
                                           unsigned int parts, unsigned int stops, int h, int w, int c, int kh, int kw,
                                           int sh, int sw, int top, int left, int oh, int ow, int d, int groups) {
    const int before = c / groups, after = d / groups;
    EACH(i, total) {
        unsigned int rest = i;
        const int l = rest % d;
        rest /= d;
        const int channel = l / after * before + static_cast<int>(rest % before);
        rest /= before;
        const int v = static_cast<int>(rest % kw) - left;
        rest /= kw;
        const int u = static_cast<int>(rest % kh) - top;
        double sum = 0;
        for (unsigned int stop = rest / kh; stop < stops; stop += parts) {
            const int column = static_cast<int>(stop % ow) * sw + v;
            const int row = static_cast<int>(stop / ow % oh) * sh + u;
            if (row < 0 || row >= h || column < 0 || column >= w) continue;
            const unsigned int n = stop / ow / oh;
            sum += static_cast<double>(x[((n * h + row) * w + column) * c + channel]) * dy[stop * d + l];
        }
        sums[i] = sum;
    }
}

// Layers' formulas, number by number. ----------------------------------------------------------------------------------

// NaN stays NaN, and -infinity becomes 0.
extern "C" __global__ void relu(const REAL* x, REAL* y, unsigned int total) {
    EACH(i, total) y[i] = x[i] < 0 ? 0 : x[i];
}

extern "C" __global__ void relu_dx(const REAL* x, const REAL* dy, REAL* dx, unsigned int total) {
    EACH(i, total) dx[i] = x[i] > 0 ? dy[i] : 0;
}

extern "C" __global__ void leaky_relu(const REAL* x, REAL* y, unsigned int total, REAL slope) {
    EACH(i, total) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

extern "C" __global__ void leaky_relu_dx(const REAL* x, const REAL* dy, REAL* dx, unsigned int total, REAL slope) {
    EACH(i, total) dx[i] = x[i] > 0 ? dy[i] : slope * dy[i];
}

extern "C" __global__ void tanh_dx(const REAL* y, const REAL* dy, REAL* dx, unsigned int total) {
    EACH(i, total) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

extern "C" __global__ void sigmoid(const REAL* x, REAL* y, unsigned int total) {
    EACH(i, total) {
        const REAL e = exp(x[i] >= 0 ? -x[i] : x[i]);
        y[i] = (x[i] >= 0 ? 1 : e) / (1 + e);
    }
}

extern "C" __global__ void sigmoid_dx(const REAL* y, const REAL* dy, REAL* dx, unsigned int total) {
    EACH(i, total) dx[i] = dy[i] * y[i] * (1 - y[i]);
}

// Forwards and backwards.    scale: 1 / (1 - rate)
extern "C" __global__ void dropout(const REAL* x, const bool* mask, REAL* y, unsigned int total, REAL scale) {
    EACH(i, total) y[i] = mask[i] ? x[i] * scale : 0;
}

// The loss of every logit s, for xp.mean, and its gradient ds.    size: of the batch, as the mean divides by it
extern "C" __global__ void bce_with_logits(const REAL* s, const REAL* target, REAL* curve, REAL* ds, unsigned int total,
                                           REAL size) {
    EACH(i, total) {
        const REAL e = exp(s[i] >= 0 ? -s[i] : s[i]);
        curve[i] = (s[i] > 0 ? s[i] : 0) + log1p(e) - target[i] * s[i];
        ds[i] = ((s[i] >= 0 ? 1 : e) / (1 + e) - target[i]) / size;
    }
}

// Sums over all axes but the last, in double. --------------------------------------------------------------------------

// A thread adds up every period-th number of its column, a period being some rows of c columns, so that neighbours read
// neighbouring numbers. `add_sums` adds up, in the same way, what the threads of one column have found.

// sums[t] = x[t] + x[t + period] + ...
extern "C" __global__ void column_sums(const REAL* x, double* sums, unsigned int period, unsigned int size, int c) {
    EACH(t, period) {
        double sum = 0;
        for (unsigned int i = t; i < size; i += period) sum += x[i];
        sums[t] = sum;
    }
}

// The sums of d and of d^2, in two rows, for d = x - x[0] of the column: `moments` says why.
extern "C" __global__ void column_moments(const REAL* x, double* sums, unsigned int period, unsigned int size, int c) {
    EACH(t, period) {
        const double first = x[t % c];
        double sum = 0, squares = 0;
        for (unsigned int i = t; i < size; i += period) {
            const double d = x[i] - first;
            sum += d;
            squares += d * d;
        }
        sums[t] = sum;
        sums[period + t] = squares;
    }
}

// The sums of dy and of dy (x - mean), in two rows.    mean: (c,)
extern "C" __global__ void column_products(const REAL* dy, double* sums, unsigned int period, unsigned int size, int c,
                                           const REAL* x, const REAL* mean) {
    EACH(t, period) {
        const double centre = mean[t % c];
        double sum = 0, products = 0;
        for (unsigned int i = t; i < size; i += period) {
            sum += dy[i];
            products += dy[i] * (x[i] - centre);
        }
        sums[t] = sum;
        sums[period + t] = products;
    }
}

// Each row of sums, of this size, is shortened to a period.    total: rows times period
extern "C" __global__ void add_sums(const double* sums, REAL* out, unsigned int total, unsigned int period,
                                    unsigned int size) {
    EACH(t, total) {
        const double* row = sums + t / period * size;
        double sum = 0;
        for (unsigned int i = t % period; i < size; i += period) sum += row[i];
        out[t] = static_cast<REAL>(sum);
    }
}

// mean = x[0] + D / m    var = S / m - (D / m)^2    of m numbers, from the sums D of d = x - x[0] and S of d^2. Since x[0]
// is one of them, (D / m)^2 is at most m var: the difference loses log10(m) of a double's 16 digits, and no more.
extern "C" __global__ void moments(const double* sums, const REAL* x, REAL* mean, REAL* var, unsigned int c,
                                   unsigned int size, double m) {
    EACH(t, c) {
        double sum = 0, squares = 0;
        for (unsigned int i = t; i < size; i += c) {
            sum += sums[i];
            squares += sums[size + i];
        }
        mean[t] = static_cast<REAL>(x[t] + sum / m);
        var[t] = static_cast<REAL>(squares / m - sum / m * (sum / m));
    }
}

// y + b, of a convolution.
extern "C" __global__ void add_bias(REAL* y, const REAL* b, unsigned int total, int c) {
    EACH(i, total) y[i] += b[i % c];
}

// BatchNorm: what is left when its sums are known. ---------------------------------------------------------------------

extern "C" __global__ void running_average(const REAL* mean, const REAL* var, REAL* running_mean, REAL* running_var,
                                           unsigned int total, REAL rate) {
    EACH(t, total) {
        running_mean[t] += rate * (mean[t] - running_mean[t]);
        running_var[t] += rate * (var[t] - running_var[t]);
    }
}

extern "C" __global__ void channel_scales(const REAL* var, const REAL* gamma, REAL* inverse_std, REAL* gain,
                                          unsigned int total, REAL eps) {
    EACH(t, total) {
        inverse_std[t] = 1 / sqrt(var[t] + eps);
        gain[t] = gamma[t] * inverse_std[t];
    }
}

extern "C" __global__ void normalise(const REAL* x, REAL* y, const REAL* mean, const REAL* gain, const REAL* beta,
                                     unsigned int total, int c) {
    EACH(i, total) y[i] = (x[i] - mean[i % c]) * gain[i % c] + beta[i % c];
}

extern "C" __global__ void normalise_dx(const REAL* x, const REAL* dy, REAL* dx, const REAL* mean,
                                        const REAL* inverse_std, const REAL* gamma, const REAL* dgamma,
                                        const REAL* dbeta, unsigned int total, int c, REAL m) {
    EACH(i, total) {
        const unsigned int t = i % c;
        const REAL x_hat = (x[i] - mean[t]) * inverse_std[t];
        dx[i] = gamma[t] * inverse_std[t] * (dy[i] - dbeta[t] / m - x_hat * (dgamma[t] / m));
    }
}

// Optimizers: one pass over their vectors. The learning rate lies on the device: a captured step reads it anew. ----------

extern "C" __global__ void sgd(REAL* p, const REAL* g, REAL* u, unsigned int total, const double* rate,
                               double momentum) {
    const REAL step = static_cast<REAL>(*rate), kept = static_cast<REAL>(momentum);
    EACH(i, total) {
        const REAL ui = kept * u[i] + g[i];
        u[i] = ui;
        p[i] -= step * ui;
    }
}

extern "C" __global__ void rmsprop(REAL* p, const REAL* g, REAL* v, unsigned int total, const double* rate, double rho,
                                   double eps) {
    const REAL step = static_cast<REAL>(*rate), kept = static_cast<REAL>(rho), added = static_cast<REAL>(1 - rho);
    const REAL small = static_cast<REAL>(eps);
    EACH(i, total) {
        const REAL vi = kept * v[i] + added * g[i] * g[i];
        v[i] = vi;
        p[i] -= step * g[i] / (sqrt(vi) + small);
    }
}

// m <- beta1 m + g    v <- beta2 v + g g    p <- p - step m / (sqrt(v) + eps'): optimizers.py says what step and eps' are.
// t = first + stride replays is read on the device, too.
extern "C" __global__ void adam(REAL* p, const REAL* g, REAL* m, REAL* v, unsigned int total,
                                const double* rate, double beta1, double beta2, double eps, Word first,
                                Word stride, const Word* replays) {
    const double t = static_cast<double>(first + stride * *replays);
    const double root = sqrt((1 - beta2) / (1 - pow(beta2, t)));
    const REAL step = static_cast<REAL>(*rate * (1 - beta1) / (1 - pow(beta1, t)) / root);
    const REAL small = static_cast<REAL>(eps / root), b1 = static_cast<REAL>(beta1), b2 = static_cast<REAL>(beta2);
    EACH(i, total) {
        const REAL mi = b1 * m[i] + g[i], vi = b2 * v[i] + g[i] * g[i];
        m[i] = mi;
        v[i] = vi;
        p[i] -= mi / (sqrt(vi) + small) * step;
    }
}

// v <- beta2 v + g g    p <- p - step g / (sqrt(v) + eps'): adam with beta1 = 0, which needs no m.
extern "C" __global__ void adam_without_momentum(REAL* p, const REAL* g, REAL* v, unsigned int total,
                                                 const double* rate, double beta2, double eps, Word first,
                                                 Word stride, const Word* replays) {
    const double t = static_cast<double>(first + stride * *replays);
    const double root = sqrt((1 - beta2) / (1 - pow(beta2, t)));
    const REAL step = static_cast<REAL>(*rate / root), small = static_cast<REAL>(eps / root);
    const REAL b2 = static_cast<REAL>(beta2);
    EACH(i, total) {
        const REAL vi = b2 * v[i] + g[i] * g[i];
        v[i] = vi;
        p[i] -= g[i] / (sqrt(vi) + small) * step;
    }
}

// Random numbers: philox.py says what the key and the counter are. ----------------------------------------------------

// The four words of block `block` of (seed, stream, step): ten rounds of Philox4x64 (Salmon et al. 2011, figure 2).
__device__ void philox(Word block, Word seed, Word stream, Word step, Word* words) {
    Word a = block + 1, b = 0, c = step, d = 0;
    for (int round = 0; round < 10; ++round) {
        const Word low_a = 0xD2E7470EE14C6C93ULL * a, high_a = __umul64hi(0xD2E7470EE14C6C93ULL, a);
        const Word low_c = 0xCA5A826395121157ULL * c, high_c = __umul64hi(0xCA5A826395121157ULL, c);
        a = high_c ^ b ^ seed;
        b = low_c;
        c = high_a ^ d ^ stream;
        d = low_a;
        seed += 0x9E3779B97F4A7C15ULL;
        stream += 0xBB67AE8584CAA73BULL;
    }
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
}

// [0, 1), a multiple of 2^-53.
__device__ double unit(Word word) { return static_cast<double>(word >> 11) * (1.0 / 9007199254740992.0); }

// Uniform in [0, 1). step = first + stride replays.
extern "C" __global__ void uniform(REAL* out, unsigned int total, Word seed, Word stream, Word first, Word stride,
                                   const Word* replays) {
    EACH(block, (total + 3) / 4) {
        Word words[4];
        philox(block, seed, stream, first + stride * *replays, words);
        for (unsigned int j = 0; j < 4 && 4 * block + j < total; ++j)
            out[4 * block + j] = static_cast<REAL>(unit(words[j]));
    }
}

// Standard normal, by Box and Muller, in double, and rounded once.
extern "C" __global__ void normal(REAL* out, unsigned int total, Word seed, Word stream, Word first, Word stride,
                                  const Word* replays) {
    EACH(block, (total + 3) / 4) {
        Word words[4];
        philox(block, seed, stream, first + stride * *replays, words);
        for (unsigned int j = 0; j < 4 && 4 * block + j < total; ++j) {
            const double radius = sqrt(-2 * log1p(-unit(words[j & ~1u])));
            const double angle = 2 * 3.141592653589793 * unit(words[j | 1u]);
            out[4 * block + j] = static_cast<REAL>(radius * (j % 2 ? sin(angle) : cos(angle)));
        }
    }
}

// Data. ---------------------------------------------------------------------------------------------------------------

// out[i] = image chosen[i] of bytes, scaled to [-1, 1].    length: bytes of one image
extern "C" __global__ void gather_images(const unsigned char* images, const long long* chosen, REAL* out,
                                         unsigned int total, unsigned int length) {
    EACH(i, total)
        out[i] = static_cast<REAL>(images[chosen[i / length] * length + i % length]) / static_cast<REAL>(127.5) - 1;
}
