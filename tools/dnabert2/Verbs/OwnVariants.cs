using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using Dnabert2.Benchmarking;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary>A score modification of somebody's assembly, with its parameters.</summary>
/// <param name="Attention">Its attention.</param>
/// <param name="Check">Holds it against its definition; on so many heads.</param>
internal sealed record OwnVariant(SelfAttention Attention, Func<Backend, int, AttentionErrors> Check)
{
    private const double MostForward = 1e-4, MostBackward = 1e-3;

    /// <summary>Holds it against plain loops in float64, and its gradient against their differences.</summary>
    /// <exception cref="InvalidDataException">It is another function on the backend than its source says.</exception>
    public AttentionErrors Checked(Backend backend, int heads)
    {
        AttentionErrors errors = Check(backend, heads);
        return errors is { Forward: < MostForward, Backward: < MostBackward } ? errors : throw new InvalidDataException(
            string.Create(CultureInfo.InvariantCulture, $"{Attention}: against float64 its error is {errors.Forward:E1} forward and ")
            + string.Create(CultureInfo.InvariantCulture, $"{errors.Backward:E1} backward, allowed are {MostForward} and {MostBackward}; ")
            + "correct its Derivative, or its Keys, which may leave out only keys that Score hides");
    }
}

/// <summary>The score modifications of an assembly, by the names of their types.</summary>
[RequiresUnreferencedCode("Types are found by reflection.")]
[RequiresDynamicCode("Attention is compiled for types that are known at run time alone.")]
internal sealed class OwnVariants
{
    private readonly string _path;
    private readonly Type[] _types;

    private OwnVariants(string path, Type[] types) => (_path, _types) = (path, types);

    /// <summary>All of them, with the parameters they have unless others are given.</summary>
    /// <exception cref="UsageException">One needs numbers.</exception>
    public IEnumerable<OwnVariant> All => _types.Select(type => Make(type, type.Name, []));

    /// <summary>Reads an assembly.</summary>
    /// <exception cref="IOException">There is no such file.</exception>
    /// <exception cref="UsageException">It is no assembly, or none with score modifications for this engine.</exception>
    public static OwnVariants Load(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"--assembly {path}: no such file; name the .dll that your project was built to");
        Type[] types;
        try
        {
            types = Array.FindAll(Assembly.LoadFrom(Path.GetFullPath(path)).GetTypes(), IsModification);
        }
        catch (Exception e) when (e is BadImageFormatException or FileLoadException or ReflectionTypeLoadException)
        {
            string cause = e is ReflectionTypeLoadException { LoaderExceptions: [{ } first, ..] } ? first.Message : e.Message;
            throw new UsageException($"--assembly {path}: it is no .NET assembly for this engine: {cause} Build it against this version");
        }

        return types.Length > 0 ? new(path, types) : throw new UsageException(
            $"--assembly {path}: no type in it implements IScoreModification; docs/attention-variants.md shows one");
    }

    /// <summary>The modification that a text names, such as <c>DistanceDecay:50</c>, or null.</summary>
    /// <exception cref="UsageException">Several types have that name, or none of its constructors takes these numbers.</exception>
    public OwnVariant? Find(string text)
    {
        string[] parts = text.Split(':');
        Type[] named = Array.FindAll(_types, type => type.Name == parts[0] || type.FullName == parts[0]);
        if (named.Length > 1)
            throw new UsageException($"--variant {text}: name one of {string.Join(", ", named.Select(type => type.FullName))}");
        return named is [{ } one] ? Make(one, text, parts[1..]) : null;
    }

    private static bool IsModification(Type type) => type is { IsValueType: true, ContainsGenericParameters: false }
        && type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IScoreModification<>)
            && i.GenericTypeArguments[0] == type);

    private OwnVariant Make(Type type, string name, string[] numbers)
    {
        ConstructorInfo[] constructors = [.. type.GetConstructors().Where(c => c.GetParameters().Length > 0)];
        if (numbers.Length == 0 && constructors.Length == 0) return Of(type, name, Activator.CreateInstance(type)!);
        foreach (ConstructorInfo constructor in constructors)
            if (Arguments(constructor.GetParameters(), numbers) is { } arguments)
                return Of(type, name, constructor.Invoke(BindingFlags.DoNotWrapExceptions, null, arguments, null));
        string[] forms = [.. constructors.Select(
            c => $"{type.Name}:{string.Join(':', c.GetParameters().Select(p => p.Name!.ToUpperInvariant()))}")];
        throw new UsageException(forms.Length > 0
            ? $"--assembly {_path}: {type.Name} needs the numbers of its constructor; name it: --variant {string.Join(" or ", forms)}"
            : $"--variant {name}: {type.Name} has no constructor that takes numbers; name it without");
    }

    /// <summary>The numbers as a constructor wants them, or null where it wants others.</summary>
    private static object[]? Arguments(ParameterInfo[] parameters, string[] numbers)
    {
        if (parameters.Length != numbers.Length) return null;
        var arguments = new object[numbers.Length];
        for (int i = 0; i < numbers.Length; i++)
        {
            if (Number(parameters[i].ParameterType, numbers[i]) is not { } number) return null;
            arguments[i] = number;
        }

        return arguments;
    }

    private static object? Number(Type type, string text)
    {
        if (type == typeof(int) && int.TryParse(text, CultureInfo.InvariantCulture, out int whole)) return whole;
        if (type == typeof(float) && float.TryParse(text, CultureInfo.InvariantCulture, out float single)) return single;
        return type == typeof(double) && double.TryParse(text, CultureInfo.InvariantCulture, out double real) ? real : null;
    }

    private static OwnVariant Of(Type type, string name, object mod)
    {
        MethodInfo of = typeof(OwnVariants).GetMethod(nameof(OfModification), BindingFlags.NonPublic | BindingFlags.Static)!;
        return (OwnVariant)of.MakeGenericMethod(type).Invoke(null, BindingFlags.DoNotWrapExceptions, null, [name, mod], null)!;
    }

    private static OwnVariant OfModification<TMod>(string name, TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
        => new(SelfAttention.Of(name, mod), (backend, heads) => AttentionCheck.Run(backend, mod, heads));
}
