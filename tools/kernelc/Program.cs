using System.Diagnostics;
using Engine.KernelCompiler;
using Engine.Kernels.Gpu;

const string Usage = """
    kernelc — the GPU kernels of engine/kernels, from C# to PTX; the build runs it

      kernelc compile ARCHIVE ARGUMENTS    compile all kernels into an archive, unless it has been made of the same sources,
                                           and write the C# source of their arguments
      kernelc check                        assemble all kernels for each GPU, with NVIDIA's ptxas
    """;

switch (args)
{
    case ["compile", var archive, var arguments]: return Compile(archive, arguments);
    case ["check"]: return Check();
    default:
        Console.Error.WriteLine(Usage);
        return 2;
}

static int Compile(string archive, string arguments)
{
    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(archive))!);
    KernelList kernels = KernelList.All();
    WriteChanged(arguments, ArgumentsSource.Of(kernels));
    string compiler = Compiler.Identity;
    if (File.Exists(archive) && CompilerOf(archive) == compiler)
    {
        File.SetLastWriteTimeUtc(archive, DateTime.UtcNow);
        return 0;
    }

    var watch = Stopwatch.StartNew();
    IReadOnlyList<(CompiledKernel Kernel, string Text)> compiled = Compiler.Compile(kernels);
    string written = $"{archive}.{Environment.ProcessId}";
    using (FileStream stream = File.Create(written))
        new KernelManifest(compiler, [.. compiled.Select(c => c.Kernel)]).Write(stream, [.. compiled.Select(c => c.Text)]);
    File.Move(written, archive, overwrite: true);
    Console.WriteLine($"{compiled.Count} GPU kernels compiled in {watch.Elapsed.TotalSeconds:F1} s");
    return 0;
}

static void WriteChanged(string file, string text)
{
    if (!File.Exists(file) || File.ReadAllText(file) != text) File.WriteAllText(file, text);
    else File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
}

static string? CompilerOf(string archive)
{
    try
    {
        return KernelManifest.Read(File.OpenRead(archive)).Compiler;
    }
    catch (InvalidDataException)
    {
        return null;
    }
}

static int Check()
{
    if (!Assembler.IsPresent())
    {
        Console.Error.WriteLine("kernelc: ptxas is not on the path; it is part of NVIDIA's CUDA toolkit");
        return 1;
    }

    bool clean = true;
    Console.WriteLine($"{"kernel",-44} {"arch",-6} {"registers",9} {"shared",7} {"dynamic",8} {"stack",6} {"spills",7}");
    foreach ((CompiledKernel kernel, string text) in Compiler.Compile(KernelList.All()))
    {
        foreach (string architecture in Assembler.Architectures(kernel))
        {
            AssembledKernel a = Assembler.Assemble(kernel.Entry, System.Text.Encoding.ASCII.GetBytes(text), architecture);
            Console.WriteLine(
                $"{kernel.Entry,-44} {architecture,-6} {a.Registers,9} {a.Shared,7} {kernel.DynamicShared,8} {a.Stack,6} "
                + $"{a.SpillStores + a.SpillLoads,7}");
            clean &= a.IsClean;
        }
    }

    return clean ? 0 : 1;
}
