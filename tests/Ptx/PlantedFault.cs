using System.Text;
using Conformance.Ptx;

namespace Tests.Ptx;

/// <summary>Runs pairs of small kernels, one with a planted fault and one without.</summary>
internal static class PlantedFault
{
    private const string Variables = "\t.shared .align 16 .b8 tile[1024];\n\t.local .align 16 .b8 frame[32];";

    /// <summary>
    /// %r1: this thread's word of the shared tile; %rd10: its word of p0; %rd11: its word of p1 (uninitialised, 1024 bytes).
    /// </summary>
    private const string Prologue = """
        	mov.u32 %r2, tile;
        	shl.b32 %r3, %r0, 2;
        	add.u32 %r1, %r2, %r3;
        	cvt.u64.u32 %rd9, %r3;
        	add.u64 %rd10, %rd0, %rd9;
        	add.u64 %rd11, %rd1, %rd9;

        """;

    /// <summary>A statement a line; one that begins with <c>!</c> is marked with a comment.</summary>
    private static string Text(string statements)
    {
        var body = new StringBuilder(Prologue);
        foreach (string statement in statements.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            body.Append('\t').Append(statement.TrimStart('!')).Append(statement[0] == '!' ? "; //!\n" : ";\n");
        return PtxText.Kernel(2, body.ToString(), Variables, ".extern .shared .align 16 .b8 dynamic[];");
    }

    private static void Launch(string text, int threads, int blocks, int dynamicShared)
    {
        var machine = new PtxMachine { InstructionBudget = 1_000_000 };
        PtxBuffer input = machine.Allocate(Enumerable.Range(0, 256).ToArray(), "input"), output = machine.Allocate(1024, "output");
        machine.Launch(PtxModule.Parse(text).Kernel("k"), blocks, threads, dynamicShared, input, output);
    }

    /// <summary>The twin runs; the faulty kernel's statement that begins with <c>!</c> is the one the fault must name.</summary>
    public static PtxFaultException Finds(FaultKind kind, string faulty, string twin, int threads = 64, int blocks = 1,
        int dynamicShared = 0)
    {
        Launch(Text(twin), threads, blocks, dynamicShared);
        string text = Text(faulty);
        var fault = Assert.Throws<PtxFaultException>(() => Launch(text, threads, blocks, dynamicShared));
        Assert.Equal(kind, fault.Kind);
        string line = text.Split('\n')[fault.Line - 1].Trim();
        Assert.EndsWith("//!", line, StringComparison.Ordinal);
        Assert.Contains($"kernel 'k', line {fault.Line} ({line})", fault.Message, StringComparison.Ordinal);
        Assert.Contains("thread (", fault.Message, StringComparison.Ordinal);
        return fault;
    }
}
