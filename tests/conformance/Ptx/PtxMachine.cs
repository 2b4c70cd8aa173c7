using System.Buffers;
using System.Runtime.InteropServices;
using Conformance.Cases;

namespace Conformance.Ptx;

/// <summary>
/// Runs kernels of PTX text on the CPU, exactly and with every access checked. Blocks run one after the other, the warps of a block in
/// turns from barrier to barrier. The first fault ends the launch with a <see cref="PtxFaultException"/>.
/// </summary>
/// <remarks>
/// One order of execution is run; that another would behave differently is found by the checks for races, not by trying it. Left aside:
/// caches and weak memory order (an access is ordered or a race), lanes of one warp that wait for each other in a loop and blocks that
/// wait for later ones (both exhaust the instruction budget), registers read before they are written (they hold NaN), timing.
/// </remarks>
internal sealed class PtxMachine
{
    private readonly List<PtxBuffer?> _buffers = [];
    private readonly Dictionary<List<PtxVariable>, PtxBuffer?[]> _moduleBuffers = [];
    private PtxBuffer?[] _current = [];
    private int _launches;

    /// <summary>Shared memory a block may use in all: 99 KB runs everywhere from sm_80 on; sm_90 has 227.</summary>
    public int SharedMemoryLimit { get; set; } = 99 * 1024;

    /// <summary>Warp instructions a launch may take before it counts as endless.</summary>
    public long InstructionBudget { get; set; } = 200_000_000;

    /// <summary>A buffer that nothing has written: reading it before a kernel writes is a fault.</summary>
    public PtxBuffer Allocate(int bytes, string? name = null) => Add(new byte[bytes], false, false, name);

    /// <summary>A buffer with a copy of <paramref name="contents"/>.</summary>
    public PtxBuffer Allocate<T>(ReadOnlySpan<T> contents, string? name = null, bool readOnly = false) where T : unmanaged =>
        Add(MemoryMarshal.AsBytes(contents).ToArray(), true, readOnly, name);

    /// <inheritdoc cref="Allocate{T}(ReadOnlySpan{T}, string?, bool)"/>
    public PtxBuffer Allocate<T>(T[] contents, string? name = null, bool readOnly = false) where T : unmanaged =>
        Allocate((ReadOnlySpan<T>)contents, name, readOnly);

    /// <summary>Returns a buffer's memory: from here on nothing lies at its address.</summary>
    public void Free(ulong address) => _buffers[(int)((address >> 32) - AddressSpace.BufferWindow)] = null;

    private PtxBuffer Add(byte[] data, bool initialised, bool readOnly, string? name)
    {
        ulong address = ((AddressSpace.BufferWindow + (ulong)_buffers.Count) << 32) + AddressSpace.BufferOffset;
        var buffer = new PtxBuffer(name ?? $"buffer {_buffers.Count}", address, data, initialised, readOnly);
        _buffers.Add(buffer);
        return buffer;
    }

    /// <summary>
    /// Runs a kernel. Arguments are buffers (their address), primitives of the parameter's size, or byte arrays for structures
    /// (<see cref="Pack"/> makes them).
    /// </summary>
    /// <exception cref="PtxFaultException">The kernel did something wrong.</exception>
    public LaunchReport Launch(PtxKernel kernel, Dim3 grid, Dim3 block, int dynamicSharedBytes, params object[] arguments)
    {
        byte[] parameters = new ParameterBlock(kernel).Fill(arguments);
        _current = ModuleBuffers(kernel.Variables);
        using var launch = new Launch(this, kernel, ++_launches, grid, block, dynamicSharedBytes, parameters);
        launch.Run();
        return new LaunchReport(launch);
    }

    /// <summary>A structure argument: the fields one after the other, each aligned to its size.</summary>
    public static byte[] Pack(params object[] fields)
    {
        var bytes = new List<byte>();
        int alignment = 1;
        foreach (object field in fields)
        {
            byte[] value = ParameterBlock.Bytes(field);
            int align = Math.Min(value.Length, 8);
            alignment = Math.Max(alignment, align);
            while (bytes.Count % align != 0) bytes.Add(0);
            bytes.AddRange(value);
        }
        while (bytes.Count % alignment != 0) bytes.Add(0);
        return [.. bytes];
    }

    /// <summary>The buffer whose window of the address space this is, or null.</summary>
    internal PtxBuffer? Find(ulong window)
    {
        ulong index = window - AddressSpace.BufferWindow;
        if (index < (ulong)_buffers.Count) return _buffers[(int)index];
        index = window - AddressSpace.ModuleWindow;
        return index < (ulong)_current.Length ? _current[index] : null;
    }

    private PtxBuffer?[] ModuleBuffers(List<PtxVariable> variables)
    {
        if (_moduleBuffers.TryGetValue(variables, out PtxBuffer?[]? buffers)) return buffers;
        buffers = new PtxBuffer?[variables.Count];
        for (int i = 0; i < buffers.Length; i++)
        {
            PtxVariable variable = variables[i];
            if (variable.Space is PtxSpace.Global or PtxSpace.Const)
                buffers[i] = new PtxBuffer(variable.Name, PtxModule.Address(i), variable.InitialValue ?? new byte[variable.Bytes], true,
                    variable.Space == PtxSpace.Const);
        }
        return _moduleBuffers[variables] = buffers;
    }
}

/// <summary>Lays arguments out as the kernel's parameters declare them.</summary>
internal readonly struct ParameterBlock(PtxKernel kernel)
{
    public byte[] Fill(object[] arguments)
    {
        List<PtxVariable> parameters = kernel.Function.Parameters;
        if (arguments.Length != parameters.Count)
            throw new ArgumentException($"kernel '{kernel.Name}' takes {parameters.Count} arguments, {arguments.Length} were given");
        var block = new byte[kernel.ParameterBytes];
        for (int i = 0; i < arguments.Length; i++)
        {
            byte[] value = Bytes(arguments[i]);
            int bytes = parameters[i].Bytes;
            string given = $"{value.Length} were given ({arguments[i].GetType().Name})";
            if (value.Length != bytes)
                throw new ArgumentException($"argument {i} of kernel '{kernel.Name}' ('{parameters[i].Name}') has {bytes} bytes, {given}");
            value.CopyTo(block, kernel.ParameterOffsets[i]);
        }
        return block;
    }

    public static byte[] Bytes(object argument) => argument switch
    {
        PtxBuffer buffer => BitConverter.GetBytes(buffer.Address),
        byte[] bytes => bytes,
        byte value => [value],
        sbyte value => [(byte)value],
        bool value => [value ? (byte)1 : (byte)0],
        short value => BitConverter.GetBytes(value),
        ushort value => BitConverter.GetBytes(value),
        Half value => BitConverter.GetBytes(value),
        int value => BitConverter.GetBytes(value),
        uint value => BitConverter.GetBytes(value),
        float value => BitConverter.GetBytes(value),
        long value => BitConverter.GetBytes(value),
        ulong value => BitConverter.GetBytes(value),
        double value => BitConverter.GetBytes(value),
        _ => throw new ArgumentException($"no kernel argument: {argument.GetType().Name}"),
    };
}

/// <summary>One launch of a kernel: its extents, parameters and counters. Its tables are large and come from a pool.</summary>
internal sealed class Launch : IDisposable
{
    private const int StaticLimit = 48 * 1024;
    private readonly long _budget;
    private readonly SharedMemory _shared;
    private long _spent;

    public Launch(PtxMachine machine, PtxKernel kernel, int number, Dim3 grid, Dim3 block, int dynamicSharedBytes, byte[] parameters)
    {
        Kernel = kernel;
        Number = number;
        Grid = grid;
        Block = block;
        DynamicSharedBytes = dynamicSharedBytes;
        Parameters = parameters;
        _budget = machine.InstructionBudget;
        Check(machine);
        WarpsPerBlock = (int)((block.Count + 31) / 32);
        Issued = new long[kernel.Code.Length];
        LanesIssued = new long[kernel.Code.Length];
        SharedCounters = Cleared(ArrayPool<AccessCounter>.Shared.Rent(kernel.Code.Length));
        GlobalCounters = Cleared(ArrayPool<AccessCounter>.Shared.Rent(kernel.Code.Length));
        Global = new GlobalMemory(this, machine);
        _shared = new SharedMemory(this);
    }

    public PtxKernel Kernel { get; }
    /// <summary>Which launch of the machine this is, from 1.</summary>
    public int Number { get; }
    public Dim3 Grid { get; }
    public Dim3 Block { get; }
    public int DynamicSharedBytes { get; }
    public int SharedBytes => Kernel.StaticSharedBytes + DynamicSharedBytes;
    public byte[] Parameters { get; }
    public int WarpsPerBlock { get; }
    public GlobalMemory Global { get; }
    /// <summary>By instruction: warps that ran it, and the lanes active in them.</summary>
    public long[] Issued { get; }
    public long[] LanesIssued { get; }
    public AccessCounter[] SharedCounters { get; }
    public AccessCounter[] GlobalCounters { get; }

    public void Run()
    {
        var block = new BlockState(this, _shared);
        for (int number = 0; number < Grid.Count; number++) block.Run(number);
    }

    public void Dispose()
    {
        ArrayPool<AccessCounter>.Shared.Return(SharedCounters);
        ArrayPool<AccessCounter>.Shared.Return(GlobalCounters);
        _shared.Dispose();
    }

    private static AccessCounter[] Cleared(AccessCounter[] counters)
    {
        Array.Clear(counters);
        return counters;
    }

    /// <summary>Counts instructions against the budget.</summary>
    public void Spend(Warp warp, int instructions)
    {
        _spent += instructions;
        if (_spent > _budget)
            throw warp.Fault(FaultKind.InstructionBudget, 0,
                $"the launch has run {_spent} warp instructions, more than its budget of {_budget}: an endless loop?");
    }

    private void Check(PtxMachine machine)
    {
        PtxFunction function = Kernel.Function;
        if (Grid.X < 1 || Grid.Y < 1 || Grid.Z < 1 || Grid.Y > 65535 || Grid.Z > 65535) throw Limit($"a grid of {Grid} blocks");
        if (Block.X < 1 || Block.Y < 1 || Block.Z < 1 || Block.Z > 64 || Block.Count > 1024)
            throw Limit($"a block of {Block} threads; at most 1024 are possible");
        if (function.MaxThreads < Block.Count)
            throw Limit($"a block of {Block} threads; the kernel allows {function.MaxThreads} (.maxntid)");
        if (function.RequiredThreads is { } required && required != Block.Count)
            throw Limit($"a block of {Block} threads; the kernel demands {required} (.reqntid)");
        if (Kernel.StaticSharedBytes > StaticLimit)
            throw Limit($"{Kernel.StaticSharedBytes} bytes of static shared memory; at most {StaticLimit} are possible");
        if (DynamicSharedBytes < 0 || SharedBytes > machine.SharedMemoryLimit)
            throw Limit($"{SharedBytes} bytes of shared memory ({DynamicSharedBytes} dynamic); {machine.SharedMemoryLimit} are possible");
    }

    private PtxFaultException Limit(string what) => new(FaultKind.LaunchLimit, 0, $"kernel '{Kernel.Name}' is launched with {what}");
}
