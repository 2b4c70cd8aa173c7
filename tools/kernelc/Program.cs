using Engine.KernelCompiler;
using Engine.Kernels.Gpu;

const string Usage = """
    kernelc — the GPU kernels of engine/kernels, from C# to PTX

      kernelc compile    compile all kernels and write engine/kernels/ptx (built with -p:Ilgpu=true)
      kernelc check      compare the manifest with the sources, and assemble everything where ptxas is on the path
    """;

string? folder = KernelSources.FindFolder(Environment.CurrentDirectory);
if (args is not ["compile" or "check"])
{
    Console.Error.WriteLine(Usage);
    return 2;
}

if (folder is null)
{
    Console.Error.WriteLine("kernelc: run it inside a checkout, where Engine.sln is in this folder or above it");
    return 1;
}

return args[0] == "compile" ? Compile(folder) : Check(folder);

static int Compile(string folder)
{
#if ILGPU
    string ptx = Path.Combine(folder, "ptx");
    IReadOnlyList<(CompiledKernel Kernel, string Text)> compiled = Compiler.Compile(KernelList.All());
    var manifest = new KernelManifest(KernelSources.Hashes(folder), [.. compiled.Select(c => c.Kernel)]);
    Directory.CreateDirectory(ptx);
    var written = new HashSet<string> { KernelManifest.FileName };
    foreach ((CompiledKernel kernel, string text) in compiled)
    {
        string name = kernel.Entry + ".ptx";
        written.Add(name);
        Replace(Path.Combine(ptx, name), System.Text.Encoding.ASCII.GetBytes(text));
    }

    Replace(Path.Combine(ptx, KernelManifest.FileName), manifest.Write());
    foreach (string file in Directory.EnumerateFiles(ptx))
        if (!written.Contains(Path.GetFileName(file))) File.Delete(file);
    Console.WriteLine($"{compiled.Count} kernels in {ptx}");
    return 0;

    static void Replace(string file, byte[] content)
    {
        if (File.Exists(file) && File.ReadAllBytes(file).AsSpan().SequenceEqual(content)) return;
        File.WriteAllBytes(file + ".new", content);
        File.Move(file + ".new", file, overwrite: true);
    }
#else
    Console.Error.WriteLine($"kernelc: built without the compiler; use dotnet run --project tools/kernelc -p:Ilgpu=true -- compile ({folder})");
    return 1;
#endif
}

static int Check(string folder)
{
    string ptx = Path.Combine(folder, "ptx");
    KernelManifest manifest = KernelManifest.Read(File.ReadAllBytes(Path.Combine(ptx, KernelManifest.FileName)));
    bool clean = true;
    SortedDictionary<string, string> present = KernelSources.Hashes(folder);
    foreach (string source in present.Keys.Union(manifest.Sources.Keys))
    {
        if (present.GetValueOrDefault(source) == manifest.Sources.GetValueOrDefault(source)) continue;
        clean = false;
        Console.Error.WriteLine($"{source} has changed since the kernels were compiled");
    }

    if (!Assembler.IsPresent())
    {
        Console.Error.WriteLine("ptxas is not on the path: nothing was assembled");
        return clean ? 0 : 1;
    }

    Console.WriteLine($"{"kernel",-44} {"arch",-6} {"registers",9} {"shared",7} {"dynamic",8} {"stack",6} {"spills",7}");
    foreach (CompiledKernel kernel in manifest.Kernels)
    {
        foreach (string architecture in Assembler.Architectures(kernel))
        {
            AssembledKernel a = Assembler.Assemble(Path.Combine(ptx, kernel.Entry + ".ptx"), architecture);
            Console.WriteLine($"{kernel.Entry,-44} {architecture,-6} {a.Registers,9} {a.Shared,7} {kernel.DynamicShared,8} {a.Stack,6} {a.SpillStores + a.SpillLoads,7}");
            clean &= a.IsClean;
        }
    }

    return clean ? 0 : 1;
}
