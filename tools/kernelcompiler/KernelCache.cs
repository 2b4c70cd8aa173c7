using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.KernelCompiler;

/// <summary>
/// Kernels that earlier processes compiled, a file each. A file is written under a name of its own and renamed, so it is whole or not
/// there; one that cannot be read or written costs a compilation and nothing else.
/// </summary>
/// <param name="folder">Where they are; empty where a user has no such folder.</param>
internal sealed class KernelCache(string folder)
{
    /// <summary>The user's.</summary>
    public static string DefaultFolder => Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData) is { Length: > 0 } data
        ? Path.Combine(data, "dnabert2", "kernels")
        : "";

    /// <summary>What a compiled kernel depends on: the compiler, and the assemblies of its own types with all that they refer to.</summary>
    /// <param name="entry">The kernel.</param>
    /// <param name="types">The types whose code is compiled: the modification, or the class of the kernel and its type arguments.</param>
    public static string Key(string entry, ReadOnlySpan<Type> types)
    {
        var identity = new StringBuilder(entry).Append('\n').Append(Compiler.Identity);
        foreach (Guid module in Modules(types)) identity.Append('\n').Append(module);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity.ToString())));
    }

    /// <summary>The kernel that was compiled under a key, or null.</summary>
    public (CompiledKernel Kernel, byte[] Text)? Find(string entry, string key)
    {
        if (folder.Length == 0) return null;
        try
        {
            string file = FileOf(entry, key);
            if (!File.Exists(file)) return null;
            byte[] archive = File.ReadAllBytes(file);
            KernelManifest manifest = KernelManifest.Read(new MemoryStream(archive));
            return manifest.Compiler == key && manifest.Kernels is [var kernel] && kernel.Entry == entry
                ? (kernel, KernelManifest.Text(new MemoryStream(archive), kernel))
                : null;
        }
        catch (Exception fault) when (
            fault is IOException or InvalidDataException or UnauthorizedAccessException or System.Text.Json.JsonException)
        {
            return null;
        }
    }

    /// <summary>Keeps a kernel.</summary>
    public void Add(string key, CompiledKernel kernel, string text)
    {
        if (folder.Length == 0) return;
        try
        {
            Directory.CreateDirectory(folder);
            using var archive = new MemoryStream();
            new KernelManifest(key, [kernel]).Write(archive, [text]);
            string written = Path.Combine(folder, Path.GetRandomFileName());
            File.WriteAllBytes(written, archive.ToArray());
            File.Move(written, FileOf(kernel.Entry, key), overwrite: true);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Then the next process compiles it again.
        }
    }

    private string FileOf(string entry, string key) => Path.Combine(folder, $"{entry}-{key[..16]}.zip");

    /// <summary>The modules that the code of types may come from; those of the framework change nothing.</summary>
    private static SortedSet<Guid> Modules(ReadOnlySpan<Type> types)
    {
        var found = new SortedSet<Guid>();
        var open = new Stack<Assembly>();
        foreach (Type type in types) Add(type);
        while (open.TryPop(out Assembly? assembly))
        {
            if (!found.Add(assembly.ManifestModule.ModuleVersionId)) continue;
            foreach (AssemblyName name in assembly.GetReferencedAssemblies())
                if (!IsFramework(name) && TryLoad(name) is { } referenced) open.Push(referenced);
        }

        return found;

        void Add(Type part)
        {
            open.Push(part.Assembly);
            foreach (Type argument in part.GenericTypeArguments) Add(argument);
        }
    }

    private static bool IsFramework(AssemblyName name) =>
        name.Name is "mscorlib" or "netstandard" || name.Name!.StartsWith("System.", StringComparison.Ordinal) || name.Name == "System";

    private static Assembly? TryLoad(AssemblyName name)
    {
        try
        {
            return Assembly.Load(name);
        }
        catch (Exception fault) when (fault is IOException or BadImageFormatException)
        {
            // What is not there is not compiled either.
            return null;
        }
    }
}
