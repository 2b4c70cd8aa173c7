using System.Globalization;
using System.Reflection;
using System.Text;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;
using Register = ILGPU.Backends.RegisterAllocator<ILGPU.Backends.PTX.PTXRegisterKind>.Register;

namespace Engine.Kernels.Gpu;

/// <summary>
/// Declares a method to be an instruction of PTX. In the text <c>$r</c> stands for the register of the result, <c>$0</c>, <c>$1</c>, …
/// for those of the arguments; a struct stands for the registers of its fields, separated by commas, <c>$1.2</c> for one field, and
/// <c>$=0</c> for a copy of an argument to the result, field by field, which an instruction needs that adds to its result.
/// The compiler puts the text in place of the call, so operands stay in registers.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PtxInstructionAttribute(string text) : Attribute
{
    public string Text { get; } = text;
}

/// <summary>Makes the compiler write the instructions of <see cref="Ptx"/>.</summary>
internal static class PtxInstructions
{
    public static void Register(Context context)
    {
        MethodInfo handler = typeof(PtxInstructions).GetMethod(nameof(Write), BindingFlags.NonPublic | BindingFlags.Static)!;
        foreach (MethodInfo method in typeof(Ptx).GetMethods(BindingFlags.Public | BindingFlags.Static))
            if (method.GetCustomAttribute<PtxInstructionAttribute>() is not null)
                context.GetIntrinsicManager().RegisterMethod(method, new PTXIntrinsic(handler, IntrinsicImplementationMode.GenerateCode));
    }

    private static void Write(PTXBackend backend, PTXCodeGenerator generator, Value value)
    {
        var call = (MethodCall)value;
        string text = call.Target.Source.GetCustomAttribute<PtxInstructionAttribute>()!.Text;
        var arguments = new string[call.Count][];
        for (int i = 0; i < arguments.Length; i++) arguments[i] = [.. Names(generator, generator.Load(call[i]))];
        string[] result = call.Target.ReturnType.IsVoidType ? [] : [.. Names(generator, generator.Allocate(call))];
        generator.Builder.Append('\t').AppendLine(Substitute(text, result, arguments));
    }

    private static string Substitute(string text, string[] result, string[][] arguments)
    {
        var line = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '$')
            {
                line.Append(text[i]);
                continue;
            }

            if (text[i + 1] == '=')
            {
                i += 2;
                foreach ((string to, string from) in result.Zip(arguments[text[i] - '0']))
                    line.Append(CultureInfo.InvariantCulture, $"mov.f32 {to}, {from};\n\t");
                continue;
            }

            string[] names = text[++i] == 'r' ? result : arguments[text[i] - '0'];
            if (i + 2 < text.Length && text[i + 1] == '.' && char.IsAsciiDigit(text[i + 2]))
            {
                line.Append(names[text[i + 2] - '0']);
                i += 2;
            }
            else
            {
                line.AppendJoin(", ", names);
            }
        }

        return line.ToString();
    }

    private static IEnumerable<string> Names(PTXCodeGenerator generator, Register register) => register switch
    {
        PTXRegisterAllocator.CompoundRegister compound => compound.Children.SelectMany(child => Names(generator, child)),
        PTXRegisterAllocator.PrimitiveRegister primitive =>
            ["%" + PTXRegisterAllocator.GetStringRepresentation(generator.EnsureHardwareRegister(primitive))],
        _ => throw new NotSupportedException($"{register} cannot be an operand"),
    };
}
