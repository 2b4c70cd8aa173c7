namespace Engine.Kernels;

/// <summary>Memory that an operation uses while it runs.</summary>
internal interface IScratch
{
    Tensor Rent(Shape shape, DType dtype);
}

/// <summary>What the CPU form of an operation runs with: all threads of the backend, and memory until the operation ends.</summary>
public sealed unsafe class CpuLauncher
{
    private readonly WorkerPool _pool;

    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Memory; whoever runs the operation takes it back.</param>
    /// <param name="precision">What the factors of matrix products are rounded to.</param>
    /// <param name="tiles">Tiles in machine code, or null: the compiled ones.</param>
    internal CpuLauncher(WorkerPool pool, IScratch scratch, Precision precision, TileKernels? tiles) =>
        (_pool, Scratch, Precision, Tiles) = (pool, scratch, precision, tiles);

    /// <summary>The number of workers of a job.</summary>
    public int Workers => _pool.Workers;

    /// <summary>Memory until the operation ends.</summary>
    internal IScratch Scratch { get; }

    internal Precision Precision { get; }

    internal TileKernels? Tiles { get; }

    /// <summary>Null, or the flag at which jobs that take long look between their parts; see <see cref="StopFlag"/>.</summary>
    internal int* Stop { get; set; }

    /// <summary>Runs a job on all workers and returns when all are done.</summary>
    public void Run<TJob>(in TJob job)
        where TJob : unmanaged, IJob
        => _pool.Run(job);

    /// <summary>Uninitialised memory until the operation ends.</summary>
    public Tensor Rent(Shape shape, DType dtype) => Scratch.Rent(shape, dtype);

    /// <summary>So many floats until the operation ends.</summary>
    internal float* Rent(long count) => Rent(FlatShape(count), DType.F32).Pointer<float>();

    /// <summary>More than 2³¹ elements do not fit one extent.</summary>
    internal static Shape FlatShape(long count) => new(checked((int)((count + 63) / 64)), 64);

    /// <summary>Refuses indices outside of a range, which would read or write past a tensor.</summary>
    /// <param name="values">I32.</param>
    /// <param name="end">What they are below.</param>
    /// <param name="what">What they are, for the message.</param>
    /// <param name="lowest">The smallest.</param>
    /// <exception cref="ArgumentException">One is outside.</exception>
    internal static void CheckRange(Tensor values, int end, string what, int lowest = 0)
    {
        ReadOnlySpan<int> span = values.Span<int>();
        for (int i = 0; i < span.Length; i++)
            if (span[i] >= end || span[i] < lowest) throw new ArgumentException($"{what} {span[i]} at {i} is not below {end}");
    }
}
