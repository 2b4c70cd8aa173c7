namespace Engine.Kernels;

/// <summary>
/// Fourier transforms of as many sequences side by side as a register has lanes, for convolutions alone: the forward transform
/// (decimation in frequency) leaves the spectrum in the order in which the inverse (decimation in time) takes it, so nothing is reordered.
/// Sizes are m · 2^a with m of 1, 3 or 5. Recursive: once a part fits a cache, all of its stages run in there.
/// </summary>
/// <remarks>
/// The convolution of two real sequences of up to n elements needs a transform of n complex ones only: element t is multiplied by ω^t with
/// ω = exp(iπ / 2n) beforehand, and by ω^−t after. What a cyclic convolution wraps around, elements n and following, then comes out
/// multiplied by i, in the imaginary part, and the real part is the causal convolution («right-angle» convolution).
/// </remarks>
/// <typeparam name="T">The register.</typeparam>
/// <param name="n">The size.</param>
/// <param name="table">Of <see cref="FourierTable"/> for n.</param>
internal readonly unsafe struct FourierTransform<T>(int n, float* table)
    where T : unmanaged, ISimd<T>
{
    /// <summary>Floats of a transform: for each element a register of real and one of imaginary parts.</summary>
    public static long BufferLength(int n) => 2L * n * T.Lanes;

    private static int Step => 2 * T.Lanes;

    /// <summary>The spectrum, in its place.</summary>
    public void Forward(float* x) => Forward(x, n, table + (2L * n));

    /// <summary>What a spectrum is of, times n, in its place.</summary>
    public void Inverse(float* x) => Inverse(x, n, table + (2L * n));

    /// <summary><c>product = a · b</c>, element by element; product may be either.</summary>
    public void Multiply(float* a, float* b, float* product)
    {
        for (long i = 0, end = BufferLength(n); i < end; i += Step)
        {
            T ar = T.Load(a + i), ai = T.Load(a + i + T.Lanes), br = T.Load(b + i), bi = T.Load(b + i + T.Lanes);
            T.Store(product + i, (ar * br) - (ai * bi));
            T.Store(product + i + T.Lanes, (ar * bi) + (ai * br));
        }
    }

    /// <summary>
    /// Takes in T.Lanes channels of real sequences, with ω^t multiplied and zeros behind.
    /// </summary>
    /// <param name="x">The first element.</param>
    /// <param name="stride">From one position to the next; negative: backwards.</param>
    /// <param name="length">Positions, at most n.</param>
    /// <param name="lanes">Channels that there are; the others are 0.</param>
    /// <param name="buffer">Receives them.</param>
    public void Load(float* x, long stride, int length, int lanes, float* buffer)
    {
        float* row = stackalloc float[T.Lanes];
        new Span<float>(row, T.Lanes).Clear();
        for (int t = 0; t < length; t++, x += stride, buffer += Step)
        {
            if (lanes < T.Lanes) new ReadOnlySpan<float>(x, lanes).CopyTo(new Span<float>(row, lanes));
            T value = T.Load(lanes < T.Lanes ? row : x);
            T.Store(buffer, value * table[2 * t]);
            T.Store(buffer + T.Lanes, value * table[(2 * t) + 1]);
        }

        T zero = 0f;
        for (int i = 2 * length; i < 2 * n; i++, buffer += T.Lanes) T.Store(buffer, zero);
    }

    /// <summary>Element t of the real sequences that an inverse transform has left.</summary>
    public T Real(float* buffer, int t)
    {
        T scale = 1f / n, cos = table[2 * t], sin = table[(2 * t) + 1];
        return ((T.Load(buffer + ((long)t * Step)) * cos) + (T.Load(buffer + ((long)t * Step) + T.Lanes) * sin)) * scale;
    }

    private static void Forward(float* x, int size, float* twiddles)
    {
        if (size == 1) return;
        int radix = FourierTable.Radix(size), part = size / radix;
        long distance = (long)part * Step;
        if (radix == 4)
        {
            for (int j = 0; j < part; j++) Quarter(x + ((long)j * Step), distance, twiddles + (6L * j));
        }
        else if (radix == 2) Half(x, distance);
        else
        {
            for (int j = 0; j < part; j++) Odd(x + ((long)j * Step), distance, radix, twiddles + (2L * (radix - 1) * j), inverse: false);
        }

        if (part == 1) return;
        for (int q = 0; q < radix; q++) Forward(x + (q * distance), part, twiddles + FourierTable.StageLength(size));
    }

    private static void Inverse(float* x, int size, float* twiddles)
    {
        if (size == 1) return;
        int radix = FourierTable.Radix(size), part = size / radix;
        long distance = (long)part * Step;
        for (int q = 0; q < radix && part > 1; q++) Inverse(x + (q * distance), part, twiddles + FourierTable.StageLength(size));
        if (radix == 4)
        {
            for (int j = 0; j < part; j++) InverseQuarter(x + ((long)j * Step), distance, twiddles + (6L * j));
        }
        else if (radix == 2) Half(x, distance);
        else
        {
            for (int j = 0; j < part; j++) Odd(x + ((long)j * Step), distance, radix, twiddles + (2L * (radix - 1) * j), inverse: true);
        }
    }

    /// <summary>Two elements; the last stage, of size 2, which has no factors.</summary>
    private static void Half(float* x, long distance)
    {
        for (int i = 0; i < Step; i += T.Lanes)
        {
            T a = T.Load(x + i), b = T.Load(x + distance + i);
            T.Store(x + i, a + b);
            T.Store(x + distance + i, a - b);
        }
    }

    private static void Quarter(float* x, long distance, float* twiddles)
    {
        float* x1 = x + distance, x2 = x1 + distance, x3 = x2 + distance;
        T ar = T.Load(x), ai = T.Load(x + T.Lanes), br = T.Load(x1), bi = T.Load(x1 + T.Lanes);
        T cr = T.Load(x2), ci = T.Load(x2 + T.Lanes), dr = T.Load(x3), di = T.Load(x3 + T.Lanes);
        T evenR = ar + cr, evenI = ai + ci, oddR = br + dr, oddI = bi + di;
        T.Store(x, evenR + oddR);
        T.Store(x + T.Lanes, evenI + oddI);
        StoreTurned(x2, evenR - oddR, evenI - oddI, twiddles[2], twiddles[3]);
        T fromR = ar - cr, fromI = ai - ci, acrossR = br - dr, acrossI = bi - di;
        StoreTurned(x1, fromR + acrossI, fromI - acrossR, twiddles[0], twiddles[1]);
        StoreTurned(x3, fromR - acrossI, fromI + acrossR, twiddles[4], twiddles[5]);
    }

    private static void InverseQuarter(float* x, long distance, float* twiddles)
    {
        float* x1 = x + distance, x2 = x1 + distance, x3 = x2 + distance;
        T ar = T.Load(x), ai = T.Load(x + T.Lanes);
        LoadTurned(x1, twiddles[0], twiddles[1], out T br, out T bi);
        LoadTurned(x2, twiddles[2], twiddles[3], out T cr, out T ci);
        LoadTurned(x3, twiddles[4], twiddles[5], out T dr, out T di);
        T evenR = ar + cr, evenI = ai + ci, oddR = br + dr, oddI = bi + di;
        T fromR = ar - cr, fromI = ai - ci, acrossR = br - dr, acrossI = bi - di;
        Store(x, evenR + oddR, evenI + oddI);
        Store(x1, fromR - acrossI, fromI + acrossR);
        Store(x2, evenR - oddR, evenI - oddI);
        Store(x3, fromR + acrossI, fromI - acrossR);
    }

    /// <summary>Three or five elements, by the definition; the first stage alone is one.</summary>
    private static void Odd(float* x, long distance, int radix, float* twiddles, bool inverse)
    {
        T* re = stackalloc T[5], im = stackalloc T[5];
        for (int p = 0; p < radix; p++)
        {
            float* at = x + (p * distance);
            if (inverse && p > 0) LoadTurned(at, twiddles[2 * (p - 1)], twiddles[(2 * (p - 1)) + 1], out re[p], out im[p]);
            else (re[p], im[p]) = (T.Load(at), T.Load(at + T.Lanes));
        }

        for (int q = 0; q < radix; q++)
        {
            T sumR = re[0], sumI = im[0];
            for (int p = 1; p < radix; p++)
            {
                (float cos, float sin) = FourierTable.Root(p * q % radix, radix);
                T c = cos, s = inverse ? -sin : sin;
                sumR += (re[p] * c) + (im[p] * s);
                sumI += (im[p] * c) - (re[p] * s);
            }

            float* at = x + (q * distance);
            if (inverse || q == 0) Store(at, sumR, sumI);
            else StoreTurned(at, sumR, sumI, twiddles[2 * (q - 1)], twiddles[(2 * (q - 1)) + 1]);
        }
    }

    private static void Store(float* x, T re, T im)
    {
        T.Store(x, re);
        T.Store(x + T.Lanes, im);
    }

    /// <summary>Times cos − i sin.</summary>
    private static void StoreTurned(float* x, T re, T im, float cos, float sin)
    {
        T c = cos, s = sin;
        Store(x, (re * c) + (im * s), (im * c) - (re * s));
    }

    /// <summary>Times cos + i sin.</summary>
    private static void LoadTurned(float* x, float cos, float sin, out T re, out T im)
    {
        T c = cos, s = sin, r = T.Load(x), i = T.Load(x + T.Lanes);
        re = (r * c) - (i * s);
        im = (i * c) + (r * s);
    }
}

/// <summary>The sizes and factors of <see cref="FourierTransform{T}"/>, rounded from float64.</summary>
internal static unsafe class FourierTable
{
    /// <summary>The smallest size of at least so many elements.</summary>
    public static int SizeFor(int length)
    {
        long best = long.MaxValue;
        foreach (int odd in (ReadOnlySpan<int>)[1, 3, 5])
        {
            long size = odd;
            while (size < length) size *= 2;
            best = Math.Min(best, size);
        }

        return checked((int)best);
    }

    /// <summary>The radix of the first stage of a size: 3 or 5 where it is not a power of two, else 4, or 2 for the last.</summary>
    public static int Radix(int size) => size % 3 == 0 ? 3 : size % 5 == 0 ? 5 : size == 2 ? 2 : 4;

    /// <summary>Floats of the factors of a stage.</summary>
    public static long StageLength(int size)
    {
        int radix = Radix(size);
        return radix == 2 ? 0 : 2L * (radix - 1) * (size / radix);
    }

    /// <summary>Floats of a table.</summary>
    public static long Length(int n)
    {
        long length = 2L * n;
        for (int size = n; size > 1; size /= Radix(size)) length += StageLength(size);
        return length;
    }

    /// <summary>
    /// Writes the table of a size: cosine and sine of π t / 2n for each t; then for each stage, of size b and radix r, those of 2π j q / b
    /// for each j below b / r and q from 1 to r − 1.
    /// </summary>
    public static void Fill(int n, float* table)
    {
        for (int t = 0; t < n; t++) Write(ref table, Math.PI / 2 * t / n);
        for (int size = n; size > 2; size /= Radix(size))
        {
            int radix = Radix(size);
            for (int j = 0; j < size / radix; j++)
                for (int q = 1; q < radix; q++) Write(ref table, 2 * Math.PI * ((long)j * q) / size);
        }
    }

    /// <summary>Cosine and sine of 2π i / radix.</summary>
    public static (float Cos, float Sin) Root(int i, int radix) => radix == 3
        ? i switch
        {
            0 => (1, 0),
            1 => (-0.5f, 0.866025403784438647f),
            _ => (-0.5f, -0.866025403784438647f),
        }
        : i switch
        {
            0 => (1, 0),
            1 => (0.309016994374947424f, 0.951056516295153572f),
            2 => (-0.809016994374947424f, 0.587785252292473129f),
            3 => (-0.809016994374947424f, -0.587785252292473129f),
            _ => (0.309016994374947424f, -0.951056516295153572f),
        };

    private static void Write(ref float* table, double angle)
    {
        (double sin, double cos) = Math.SinCos(angle);
        *table++ = (float)cos;
        *table++ = (float)sin;
    }
}
