namespace Conformance.Ptx;

/// <summary>What a kernel did wrong.</summary>
internal enum FaultKind
{
    /// <summary>An access outside every allocation, or across an allocation's end.</summary>
    OutOfBounds,
    /// <summary>An address that is no multiple of the access's width (the whole vector's).</summary>
    Misaligned,
    /// <summary>A read of memory that nothing has written.</summary>
    UninitialisedRead,
    /// <summary>Two unordered accesses of different threads to one place, at least one of them a write.</summary>
    Race,
    /// <summary>A touch of a cp.async destination whose group has not been waited for.</summary>
    AsyncCopyNotWaited,
    /// <summary>
    /// A touch of registers that a wgmma still works on, or registers given to one that no wgmma.fence comes after.
    /// </summary>
    AsyncRegisters,
    /// <summary>What ordinary instructions wrote to shared memory is used by bulk copies or wgmma without a proxy fence between.</summary>
    ProxyFence,
    /// <summary>A barrier that not all threads reach.</summary>
    DivergentBarrier,
    /// <summary>A warp-wide instruction that lanes of its mask do not execute together.</summary>
    DivergentWarp,
    /// <summary>A shuffle from a lane that does not take part.</summary>
    InactiveLane,
    /// <summary>More instructions than the machine's budget: an endless loop.</summary>
    InstructionBudget,
    /// <summary>A block that asks for more than the hardware gives: threads, shared memory.</summary>
    LaunchLimit,
    /// <summary>A write to constant or read-only memory.</summary>
    ReadOnly,
    /// <summary><c>trap</c>, or a form PTX leaves undefined.</summary>
    Trap,
}

/// <summary>A kernel's fault. The message names kernel, PTX line, instruction, block, thread and address.</summary>
internal sealed class PtxFaultException(FaultKind kind, int line, string message) : Exception(message)
{
    public FaultKind Kind => kind;
    /// <summary>The line of the PTX text, 1-based; 0 when the launch itself is at fault.</summary>
    public int Line => line;
}
