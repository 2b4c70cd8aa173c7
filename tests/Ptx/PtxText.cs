using Conformance.Ptx;

namespace Tests.Ptx;

/// <summary>Writes small PTX modules for tests, in the form ILGPU and nvcc give them.</summary>
internal static class PtxText
{
    public const string Header = ".version 7.8\n.target sm_80\n.address_size 64\n\n";

    /// <summary>Registers every test body may use, and <c>%tid.x</c> in <c>%r0</c>.</summary>
    private const string Registers = """
        	.reg .pred %p<16>;
        	.reg .b16 %rs<32>;
        	.reg .b32 %r<64>;
        	.reg .f32 %f<64>;
        	.reg .b64 %rd<64>;
        	.reg .f64 %fd<16>;
        	mov.u32 %r0, %tid.x;

        """;

    /// <summary>
    /// A module with the kernel <c>k</c>, whose pointer parameters are loaded into <c>%rd0</c>, <c>%rd1</c>, …;
    /// <paramref name="declarations"/> come first in the body.
    /// </summary>
    public static string Kernel(int pointers, string body, string declarations = "", string module = "", string directives = "")
    {
        string parameters = string.Join(",\n", Enumerable.Range(0, pointers).Select(i => $"\t.param .b64 p{i}"));
        string loads = string.Concat(Enumerable.Range(0, pointers).Select(i => $"\tld.param.b64 %rd{i}, [p{i}];\n"));
        string signature = $"{Header}{module}\n.visible .entry k(\n{parameters}\n)\n{directives}\n";
        return $"{signature}{{\n{declarations}\n{Registers}{loads}{body}\n\tret;\n}}\n";
    }

    /// <summary>Runs the kernel <c>k</c> on one block.</summary>
    public static LaunchReport Run(string text, PtxMachine machine, int threads, params object[] arguments) =>
        machine.Launch(PtxModule.Parse(text).Kernel("k"), 1, threads, 0, arguments);

    /// <summary>
    /// One instruction applied to each row of <paramref name="inputs"/>. It is written with the registers d, a, b, c; their widths in bits
    /// come first for the result. Values pass as raw bits.
    /// </summary>
    public static ulong[] Apply(string instruction, int resultBits, int[] inputBits, ulong[][] inputs)
    {
        int n = inputs[0].Length;
        var body = new System.Text.StringBuilder();
        var declarations = new System.Text.StringBuilder($"\t.reg .b{resultBits} d;\n\t.reg .pred p, q;\n");
        body.Append("\tmov.u32 %r1, %ctaid.x;\n\tmad.lo.u32 %r2, %r1, 64, %r0;\n\tmul.wide.u32 %rd20, %r2, 8;\n");
        for (int i = 0; i < inputs.Length; i++)
        {
            char name = (char)('a' + i);
            declarations.Append($"\t.reg .b{inputBits[i]} {name};\n");
            body.Append($"\tadd.u64 %rd21, %rd{i + 1}, %rd20;\n\tld.global.u64 %rd22, [%rd21];\n");
            body.Append(inputBits[i] == 64 ? $"\tmov.b64 {name}, %rd22;\n" : $"\tcvt.u{inputBits[i]}.u64 {name}, %rd22;\n");
        }
        body.Append("\tmov.b64 %rd23, 0;\n").Append('\t').Append(instruction).Append('\n');
        body.Append(resultBits == 64 ? "\tmov.b64 %rd23, d;\n" : $"\tcvt.u64.u{resultBits} %rd23, d;\n");
        body.Append("\tadd.u64 %rd24, %rd0, %rd20;\n\tst.global.u64 [%rd24], %rd23;\n");
        var machine = new PtxMachine();
        int padded = (n + 63) / 64 * 64;
        PtxBuffer result = machine.Allocate(padded * 8, "result");
        var arguments = new object[inputs.Length + 1];
        arguments[0] = result;
        for (int i = 0; i < inputs.Length; i++)
        {
            var row = new ulong[padded];
            inputs[i].CopyTo(row, 0);
            arguments[i + 1] = machine.Allocate(row, $"input {i}", readOnly: true);
        }
        PtxKernel kernel = PtxModule.Parse(Kernel(inputs.Length + 1, body.ToString(), declarations.ToString())).Kernel("k");
        machine.Launch(kernel, padded / 64, 64, 0, arguments);
        return result.As<ulong>()[..n].ToArray();
    }
}
