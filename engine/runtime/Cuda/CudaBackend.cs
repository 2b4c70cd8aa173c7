using System.Runtime.InteropServices;
using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

/// <summary>The backend on a GPU. Operations are launched and not waited for; a download waits.</summary>
internal sealed unsafe partial class CudaBackend : Backend
{
    private const int WarpsPerBlock = 8, Chunk = 256, FlatBlock = WarpsPerBlock * Chunk, ElementLossBlock = 256;
    private readonly Lock _operation = new();
    private readonly GpuDevice _cuda;
    private readonly TensorCoreProducts _products;
    private readonly DType _activations;
    private readonly List<HeadParameters> _heads = [];
    private Arena? _constants;
    private Arena? _scratch;

    /// <summary>A backend on a device, which it owns.</summary>
    /// <param name="device">The device.</param>
    /// <param name="activations">See <see cref="Backend.ActivationType"/>: F32 or BF16.</param>
    /// <param name="products">Which forms of matrix products are the fastest; without one, the table of this assembly.</param>
    public CudaBackend(GpuDevice device, DType activations = DType.F32, ProductTable? products = null) =>
        (_cuda, _activations, _products) = (device, activations, new(device, products ?? ProductTable.Default));

    public override string Description => _activations == DType.BF16 ? _cuda.Description + ", bf16" : _cuda.Description;

    public override Precision Precision => _activations == DType.BF16 ? Precision.BF16 : Precision.F32;

    public override DType ActivationType => _activations;

    // Memory that is taken back while kernels still use it is only given to kernels that run after them.
    private Arena Scratch => _scratch ??= new Arena(this);

    /// <summary>Adds a kernel that was compiled in this process; see <see cref="GpuDevice.Add"/>.</summary>
    public void Add(CompiledKernel kernel, byte[] text)
    {
        lock (_operation) _cuda.Add(kernel, text);
    }

    public override bool Records => _cuda.Records;

    internal override CudaGraph Record(Action work)
    {
        lock (_operation)
        {
            _cuda.Enter();
            CudaGraph graph = _cuda.Record(work);
            graph.Releases = Releases;
            return graph;
        }
    }

    internal override bool Replay(Recording recording)
    {
        lock (_operation)
        {
            if (recording.Releases != Releases) return false;
            ((CudaGraph)recording).Replay();
            return true;
        }
    }

    public override double Seconds(Action work) => Time(work) / 1000;

    /// <summary>Milliseconds that the GPU spends on what the action launches.</summary>
    public double Time(Action work)
    {
        lock (_operation)
        {
            _cuda.Enter();
            return _cuda.Time(work);
        }
    }

    private protected override nint AllocateMemory(long bytes, bool ordinaryPages)
    {
        lock (_operation)
        {
            _cuda.Enter();
            return _cuda.Allocate(bytes);
        }
    }

    private protected override void FreeMemory(nint address)
    {
        lock (_operation) _cuda.Free(address);
    }

    private protected override void CopyIn(ReadOnlySpan<byte> source, Tensor destination)
    {
        lock (_operation)
        {
            _cuda.Enter();
            _cuda.Upload(source, (nint)destination.Address);
        }
    }

    private protected override void CopyOut(Tensor source, Span<byte> destination)
    {
        lock (_operation)
        {
            _cuda.Enter();
            _cuda.Download((nint)source.Address, destination);
        }
    }

    private protected override void CopyCore(Tensor source, Tensor destination)
    {
        lock (_operation)
        {
            _cuda.Enter();
            _cuda.Copy((nint)source.Address, (nint)destination.Address, source.Bytes);
        }
    }

    private protected override void ReleaseScratch()
    {
        _constants?.Dispose();
        _scratch?.Dispose();
        (_constants, _scratch) = (null, null);
        _heads.Clear();
    }

    private protected override void Close() => _cuda.Dispose();

    /// <summary>The kernels read weights as they are.</summary>
    private protected override Weight PackCore(in Weight weight, Activation activation, Arena arena)
    {
        Tensor copy = arena.Rent(weight.Data.Shape, weight.Data.DType);
        CopyCore(weight.Data, copy);
        return new Weight(copy, weight.Outputs, weight.Inputs, activation);
    }

    /// <summary>Starts a launch. Every operation is between this and the end of the lock.</summary>
    /// <param name="entries">The kernel.</param>
    /// <param name="dtype">The element type of its operands.</param>
    /// <param name="width">The width of their rows: a multiple of eight is read 16 bytes at a time.</param>
    private KernelArguments Begin(in Entries entries, DType dtype, int width = 8)
    {
        _cuda.Enter();
        return _cuda.Begin(entries.For(dtype, width % 8 == 0));
    }

    /// <summary>Tensor cores read rows 16 bytes at a time.</summary>
    private static void ExpectMultipleOfEight(int width)
    {
        if (width % 8 != 0)
            throw new NotSupportedException($"rows of {width} elements: in bf16 the GPU wants a multiple of eight (widths and head sizes); use --dtype f32");
    }

    private static long Blocks(long count, int perBlock) => (count + perBlock - 1) / perBlock;

    private static int Chunks(int width) => (width + Chunk - 1) / Chunk;

    /// <summary>
    /// The parameters of a score modification for each head, in the memory of the GPU. They are computed once; a model uses one or two.
    /// </summary>
    private Tensor Heads<TMod>(in TMod mod, int heads)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<TMod>(in mod));
        foreach (HeadParameters known in _heads)
            if (known.Type == typeof(TMod) && known.Heads == heads && bytes.SequenceEqual(known.Modification)) return known.Values;
        var perHead = new TMod[heads];
        for (int head = 0; head < heads; head++) perHead[head] = TMod.ForHead(mod, head, heads);
        _constants ??= new Arena(this);
        Tensor values = _constants.Rent(new Shape(heads * sizeof(TMod)), DType.U8);
        Upload<byte>(MemoryMarshal.AsBytes(perHead.AsSpan()), values);
        _heads.Add(new(typeof(TMod), heads, bytes.ToArray(), values));
        return values;
    }

    private sealed record HeadParameters(Type Type, int Heads, byte[] Modification, Tensor Values);

    /// <summary>The names of a kernel in its element types.</summary>
    private readonly struct Entries(string name)
    {
        private readonly string _f32 = name + "_f32", _anyF32 = name + "_any_f32", _bf16 = name + "_bf16";

        public string For(DType dtype, bool aligned) => dtype switch
        {
            DType.F32 => aligned ? _f32 : _anyF32,
            DType.BF16 when aligned => _bf16,
            DType.BF16 => throw new NotSupportedException("rows of this width: in bf16 the GPU wants a multiple of eight (widths and head sizes); use --dtype f32"),
            _ => throw new NotSupportedException($"there are no GPU kernels for {dtype}"),
        };
    }

    private static class AttentionEntries<TMod>
    {
        private static readonly string Name = typeof(TMod).Name.ToLowerInvariant();

        private static readonly HeadEntries Forwards = new("attention_" + Name), KeysValuesGradient = new("attention_keys_values_gradient_" + Name),
            QueriesGradient = new("attention_queries_gradient_" + Name), DropoutForwards = new($"attention_{Name}_dropout"),
            DropoutKeysValues = new($"attention_keys_values_gradient_{Name}_dropout"), DropoutQueries = new($"attention_queries_gradient_{Name}_dropout");

        public static HeadEntries Forward(in AttentionDropout dropout) => dropout.IsActive ? DropoutForwards : Forwards;

        public static HeadEntries KeysValues(in AttentionDropout dropout) => dropout.IsActive ? DropoutKeysValues : KeysValuesGradient;

        public static HeadEntries Queries(in AttentionDropout dropout) => dropout.IsActive ? DropoutQueries : QueriesGradient;
    }

    /// <summary>A kernel of attention: in fp32 for heads of any size, on tensor cores for heads up to a size.</summary>
    private readonly struct HeadEntries(string name)
    {
        private readonly Entries _any = new(name), _32 = new(name + "_32"), _64 = new(name + "_64"), _128 = new(name + "_128");

        public Entries For(DType dtype, int headSize) => dtype == DType.F32 ? _any : headSize <= 32 ? _32 : headSize <= 64 ? _64 : _128;
    }
}

/// <summary>Tensors, and what belongs together, as arguments.</summary>
internal static unsafe class TensorArguments
{
    /// <summary>The elements of a tensor; an empty view for «no tensor».</summary>
    public static DeviceElements Elements(this Tensor tensor) => new((nint)tensor.Address, tensor.IsAbsent ? 0 : tensor.Count);

    /// <inheritdoc cref="Elements"/>
    public static void View(this KernelArguments arguments, Tensor tensor) => arguments.View((nint)tensor.Address, tensor.IsAbsent ? 0 : tensor.Count);

    /// <summary>The parameters of attention's dropout, the last ones of its kernels; stream: I32 [3].</summary>
    public static void Dropout(this KernelArguments arguments, nint stream, float probability, int site)
    {
        var mask = new AttentionMask(default, probability);
        arguments.View(stream, 3);
        arguments.U32(mask.Threshold);
        arguments.F32(mask.Scale);
        arguments.U32((uint)site);
    }
}
