using System.Reflection;
using System.Text;

namespace Tests.Architecture;

/// <summary>Lists the public and protected members of an assembly, one a line, in a stable order.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    public static string List(Assembly assembly)
    {
        var lines = new List<string>();
        foreach (Type type in assembly.GetExportedTypes())
        {
            lines.Add($"{Kind(type)} {Name(type)}");
            foreach (MemberInfo member in type.GetMembers(Declared))
                if (Describe(member) is { } text) lines.Add($"{Name(type)}.{text}");
        }

        lines.Sort(StringComparer.Ordinal);
        return string.Join('\n', lines) + "\n";
    }

    private static string? Describe(MemberInfo member) => member switch
    {
        FieldInfo { IsSpecialName: false } f when f.IsPublic || f.IsFamily => $"{f.Name}: {Name(f.FieldType)}",
        PropertyInfo p when IsVisible(p.GetMethod) || IsVisible(p.SetMethod) =>
            $"{p.Name}{Parameters(p.GetIndexParameters())}: {Name(p.PropertyType)} {{{(IsVisible(p.GetMethod) ? " get;" : "")}{(IsVisible(p.SetMethod) ? " set;" : "")} }}",
        ConstructorInfo c when IsVisible(c) => $"new({string.Join(", ", c.GetParameters().Select(Parameter))})",
        MethodInfo { IsSpecialName: false } m when IsVisible(m) => $"{m.Name}{Generics(m)}({string.Join(", ", m.GetParameters().Select(Parameter))}): {Name(m.ReturnType)}",
        MethodInfo { IsSpecialName: true } m when IsVisible(m) && m.Name.StartsWith("op_", StringComparison.Ordinal) =>
            $"{m.Name}({string.Join(", ", m.GetParameters().Select(Parameter))}): {Name(m.ReturnType)}",
        EventInfo e => $"event {e.Name}",
        _ => null,
    };

    private static bool IsVisible(MethodBase? method) => method is not null && (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly);

    private static string Kind(Type type) =>
        type.IsInterface ? "interface" : type.IsEnum ? "enum" : type.IsValueType ? "struct" : typeof(Delegate).IsAssignableFrom(type) ? "delegate"
        : type.IsAbstract && type.IsSealed ? "static class" : type.IsAbstract ? "abstract class" : type.IsSealed ? "sealed class" : "class";

    private static string Parameters(ParameterInfo[] parameters) => parameters.Length == 0 ? "" : $"[{string.Join(", ", parameters.Select(Parameter))}]";

    private static string Parameter(ParameterInfo p) => $"{Name(p.ParameterType)} {p.Name}{(p.HasDefaultValue ? $" = {p.DefaultValue ?? "default"}" : "")}";

    private static string Generics(MethodInfo method) => method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(a => a.Name))}>" : "";

    private static string Name(Type type)
    {
        if (type.IsGenericParameter) return type.Name;
        if (type.IsByRef) return "ref " + Name(type.GetElementType()!);
        if (type.IsArray) return $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        if (type.IsPointer) return Name(type.GetElementType()!) + "*";
        var name = new StringBuilder(type.IsNested ? $"{Name(type.DeclaringType!)}.{type.Name}" : type.Namespace is { } space && !space.StartsWith("System", StringComparison.Ordinal) ? $"{space}.{type.Name}" : type.Name);
        if (!type.IsGenericType) return name.ToString();
        string plain = name.ToString();
        int tick = plain.IndexOf('`', StringComparison.Ordinal);
        return $"{(tick < 0 ? plain : plain[..tick])}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
