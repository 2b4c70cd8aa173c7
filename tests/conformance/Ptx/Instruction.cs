namespace Conformance.Ptx;

/// <summary>
/// An instruction's effect on the lanes of a warp whose bits are set in <paramref name="mask"/>; the mask is never empty.
/// </summary>
internal delegate void WarpOp(Warp warp, uint mask);

internal enum Flow : byte { Next, Branch, BranchIndexed, Exit, Barrier, Poll }

/// <summary>A decoded instruction: operands are offsets into the warp's register file, the effect is a delegate.</summary>
internal sealed class Instruction
{
    /// <summary>Its line in the text.</summary>
    public required int Line { get; init; }
    /// <summary>With all modifiers: <c>ld.global.f32</c>.</summary>
    public required string Opcode { get; init; }
    public Flow Flow { get; set; }
    public WarpOp Run { get; set; } = static (_, _) => { };
    /// <summary>The predicate register of the guard, or −1.</summary>
    public int Guard { get; set; } = -1;
    public bool GuardNegated { get; set; }
    public int Target { get; set; }
    public int[] Targets { get; set; } = [];
    /// <summary>The register that indexes <see cref="Targets"/>.</summary>
    public int TargetIndex { get; set; }
    /// <summary><c>.uni</c>: the active threads must agree.</summary>
    public bool Uniform { get; set; }
    /// <summary>Where the paths of a divergent branch meet again: its block's immediate post-dominator.</summary>
    public int Reconverge { get; set; }
    public BarrierUse? Barrier { get; set; }
    /// <summary>The slots of all registers among the operands, in kernels with <c>wgmma</c>.</summary>
    public int[] Registers { get; set; } = [];
}

internal enum BarrierKind { Sync, Arrive, Reduce }

/// <summary>A block barrier's operands as register offsets; −1 where absent.</summary>
internal sealed class BarrierUse
{
    public required BarrierKind Kind { get; init; }
    public required int Id { get; init; }
    public int Threads { get; init; } = -1;
    /// <summary>popc, and, or.</summary>
    public string Reduction { get; init; } = "";
    public int Destination { get; init; } = -1;
    public PredicateSource Source { get; init; }
}

/// <summary>A predicate operand: a register, or the constant true (register 0), perhaps inverted.</summary>
internal readonly record struct PredicateSource(int Register, bool Inverted)
{
    public uint Read(Warp warp) => Inverted ? ~warp.P[Register] : warp.P[Register];
}
