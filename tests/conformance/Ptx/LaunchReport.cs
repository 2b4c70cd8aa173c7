namespace Conformance.Ptx;

/// <summary>What one instruction that accesses memory cost.</summary>
/// <param name="Line">Its line in the PTX text.</param>
/// <param name="Opcode">The instruction with its modifiers.</param>
/// <param name="Accesses">How often a warp ran it.</param>
/// <param name="Transactions">Shared: passes through the banks. Global: sectors of 32 bytes.</param>
/// <param name="Ideal">Shared: passes without conflicts. Global: sectors that would hold the distinct bytes asked for.</param>
/// <param name="Degree">Shared: the most passes one phase took (1: no conflict). Global: the most sectors one access took.</param>
internal sealed record AccessSite(int Line, string Opcode, long Accesses, long Transactions, long Ideal, int Degree);

/// <summary>The counts of a launch that had no fault.</summary>
internal sealed class LaunchReport
{
    internal LaunchReport(Launch launch)
    {
        Instruction[] code = launch.Kernel.Code;
        for (int pc = 0; pc < code.Length; pc++)
        {
            if (launch.Issued[pc] == 0) continue;
            string opcode = code[pc].Opcode;
            (long warps, long lanes) = ByOpcode.GetValueOrDefault(opcode);
            ByOpcode[opcode] = (warps + launch.Issued[pc], lanes + launch.LanesIssued[pc]);
            WarpInstructions += launch.Issued[pc];
            LaneInstructions += launch.LanesIssued[pc];
            Add(Shared, launch.SharedCounters[pc]);
            Add(Global, launch.GlobalCounters[pc]);

            void Add(List<AccessSite> sites, AccessCounter count)
            {
                int line = code[pc].Line;
                if (count.Accesses > 0) sites.Add(new AccessSite(line, opcode, count.Accesses, count.Transactions, count.Ideal,
                    count.Degree));
            }
        }
    }

    public long WarpInstructions { get; }
    /// <summary>Instructions times the lanes that ran them.</summary>
    public long LaneInstructions { get; }
    /// <summary>Warp and lane counts by full opcode.</summary>
    public SortedDictionary<string, (long Warps, long Lanes)> ByOpcode { get; } = new(StringComparer.Ordinal);
    /// <summary>The accesses to shared memory in order of the text; cp.async counts here with its writes.</summary>
    public List<AccessSite> Shared { get; } = [];
    /// <summary>The accesses to global memory in order of the text; cp.async counts here with its reads.</summary>
    public List<AccessSite> Global { get; } = [];

    /// <summary>The accesses to shared memory that hit a bank more than once in a phase.</summary>
    public IEnumerable<AccessSite> BankConflicts => Shared.Where(s => s.Degree > 1);

    /// <summary>Sectors of 32 bytes moved to and from global memory.</summary>
    public long Sectors => Global.Sum(s => s.Transactions);

    /// <summary>Sectors that would do if every warp's access were dense.</summary>
    public long IdealSectors => Global.Sum(s => s.Ideal);

    /// <summary>
    /// How often warps ran instructions whose opcode begins with <paramref name="prefix"/> (<c>mma</c>, <c>ld.global</c>).
    /// </summary>
    public long Count(string prefix) =>
        ByOpcode.Where(o => o.Key == prefix || o.Key.StartsWith(prefix + ".", StringComparison.Ordinal)).Sum(o => o.Value.Warps);
}
