namespace Conformance.Ptx;

/// <summary>One function's instance in a kernel: the entry itself, or a callee inlined at one call.</summary>
internal sealed class Frame
{
    public required PtxFunction Function { get; init; }
    public required int RegisterBase { get; init; }
    public required int PredicateBase { get; init; }
    public Dictionary<string, int> Labels { get; } = [];
    public Dictionary<string, string[]> BranchTargets { get; } = [];
    /// <summary>Where local variables, and parameters of calls, lie in local memory.</summary>
    public Dictionary<PtxVariable, int> LocalOffsets { get; } = [];
    /// <summary>Where <c>ret</c> leads: past the inlined body; −1 in the entry, where it ends the thread.</summary>
    public int End { get; set; } = -1;
}

/// <summary>Turns a parsed entry into decoded code: inlines calls, lays out memory, resolves labels, finds reconvergence points.</summary>
internal sealed class PtxLinker(PtxModule module, PtxFunction entry)
{
    private readonly List<(PtxStatement Statement, Frame Frame, int Jump)> _flat = [];
    private readonly Dictionary<ulong, int> _constants = [];
    private readonly Dictionary<string, int> _specials = [];
    private readonly Dictionary<PtxVariable, int> _sharedOffsets = [];
    private readonly Dictionary<PtxVariable, int> _parameterOffsets = [];
    private readonly HashSet<string> _calling = [];
    private int _registers;
    // Predicate 0 is the constant true.
    private int _predicates = 1;
    private int _dynamicAlignment = 16;
    private int[]? _slots;

    public MemoryLayout Shared { get; } = new();
    public MemoryLayout Local { get; } = new();
    public int ParameterBytes { get; private set; }
    public int SharedGrain { get; set; } = 4;
    public int GlobalGrain { get; set; } = 4;
    /// <summary>A register nobody reads, the destination of <c>_</c>.</summary>
    public int Scratch { get; private set; }
    /// <summary>Whether there is a <c>wgmma</c>, whose sums come into their registers later than the instruction.</summary>
    public bool HasProducts { get; private set; }

    /// <summary>The slot of the register file that a register of a function has.</summary>
    public int Slot(int register) => _slots is null ? register : _slots[register];

    public PtxKernel Link()
    {
        Scratch = NewRegister();
        int[] offsets = PlaceParameters();
        foreach (PtxVariable variable in module.Variables) Place(variable, null);
        Flatten(entry, new Frame { Function = entry, RegisterBase = Reserve(entry), PredicateBase = ReservePredicates(entry) });
        _flat.Add((new PtxStatement { Line = _flat.Count > 0 ? _flat[^1].Statement.Line : entry.Line, Opcode = "exit" }, NoFrame(), -1));
        int dynamicStart = Shared.NextStart(_dynamicAlignment);
        foreach (PtxVariable variable in _sharedOffsets.Keys.Where(v => v.IsDynamic).ToArray()) _sharedOffsets[variable] = dynamicStart;
        HasProducts = _flat.Exists(f => f.Statement.Opcode == "wgmma");
        int registers = _registers;
        Instruction[] code = Decode(out RegisterUse[] uses);
        FlowGraph graph = ControlFlow.Graph(code);
        IEnumerable<int> unwritten = Enumerable.Range(0, registers);
        if (!HasProducts)
        {
            var slots = new RegisterSlots(graph, uses, registers);
            (_slots, unwritten, Scratch, _registers) = (slots.Of, slots.Unwritten, slots.Count, slots.Count + 1);
            _constants.Clear();
            _specials.Clear();
            code = Decode(out _);
        }

        ControlFlow.SetReconvergence(code, graph);
        return new PtxKernel
        {
            Name = entry.Name,
            Variables = module.Variables,
            Text = module.Text,
            Function = entry.Declaration(),
            Code = code,
            RegisterSlots = _registers,
            PredicateSlots = _predicates,
            Unwritten = [.. unwritten],
            Constants = [.. _constants.Select(c => (c.Value, c.Key))],
            Specials = [.. _specials.Select(s => (s.Value, s.Key))],
            Shared = Shared,
            Local = Local,
            DynamicSharedStart = dynamicStart,
            ParameterOffsets = offsets,
            ParameterBytes = ParameterBytes,
            SharedGrain = SharedGrain,
            GlobalGrain = GlobalGrain,
        };
    }

    private Frame NoFrame() => new() { Function = entry, RegisterBase = 0, PredicateBase = 0 };

    private Instruction[] Decode(out RegisterUse[] uses)
    {
        var code = new Instruction[_flat.Count];
        var decoder = new Decoder(this);
        uses = new RegisterUse[code.Length];
        for (int i = 0; i < code.Length; i++)
        {
            decoder.Reads.Clear();
            decoder.Writes.Clear();
            code[i] = Decode(decoder, i);
            uses[i] = new RegisterUse([.. decoder.Reads], [.. decoder.Writes], IsCertain: code[i].Guard < 0);
        }

        return code;
    }

    private Instruction Decode(Decoder decoder, int index)
    {
        (PtxStatement statement, Frame frame, int jump) = _flat[index];
        Instruction instruction = jump < 0
            ? decoder.Decode(statement, frame)
            : new Instruction { Line = statement.Line, Opcode = statement.FullOpcode, Flow = Flow.Branch, Target = jump };
        if (statement.Guard is { } guard)
        {
            PredicateSource source = decoder.Predicate(guard, frame);
            instruction.Guard = source.Register;
            instruction.GuardNegated = source.Inverted;
        }
        return instruction;
    }

    private int NewRegister() => _registers++;

    private int Reserve(PtxFunction function)
    {
        int start = _registers;
        _registers += function.RegisterCount;
        return start;
    }

    private int ReservePredicates(PtxFunction function)
    {
        int start = _predicates;
        _predicates += function.PredicateCount;
        return start;
    }

    /// <summary>The register slot that holds a constant in every lane.</summary>
    public int Constant(ulong value)
    {
        if (!_constants.TryGetValue(value, out int slot)) _constants[value] = slot = NewRegister();
        return slot;
    }

    public int Special(string name)
    {
        if (!_specials.TryGetValue(name, out int slot)) _specials[name] = slot = NewRegister();
        return slot;
    }

    private int[] PlaceParameters()
    {
        var offsets = new int[entry.Parameters.Count];
        for (int i = 0; i < offsets.Length; i++)
        {
            PtxVariable parameter = entry.Parameters[i];
            offsets[i] = (ParameterBytes + parameter.Alignment - 1) / parameter.Alignment * parameter.Alignment;
            ParameterBytes = offsets[i] + parameter.Bytes;
            _parameterOffsets[parameter] = offsets[i];
        }
        return offsets;
    }

    private void Place(PtxVariable variable, Frame? frame)
    {
        switch (variable.Space)
        {
            case PtxSpace.Shared when variable.IsDynamic:
                _dynamicAlignment = Math.Max(_dynamicAlignment, variable.Alignment);
                _sharedOffsets[variable] = 0;
                break;
            case PtxSpace.Shared:
                if (!_sharedOffsets.ContainsKey(variable)) _sharedOffsets[variable] = Shared.Add(variable.Bytes, variable.Alignment);
                break;
            case PtxSpace.Local or PtxSpace.Param when frame is not null:
                frame.LocalOffsets[variable] = Local.Add(variable.Bytes, variable.Alignment);
                break;
            case PtxSpace.Global or PtxSpace.Const when frame is not null:
                throw new PtxParseException(variable.Line, "global and constant variables are supported at module level only");
        }
    }

    private void Flatten(PtxFunction function, Frame frame)
    {
        if (!_calling.Add(function.Name))
            throw new PtxParseException(function.Line, $"function '{function.Name}' calls itself: recursion is not supported");
        foreach (PtxVariable variable in function.Variables) Place(variable, frame);
        foreach (PtxStatement statement in function.Body)
        {
            if (statement.Label is { } label)
            {
                if (statement.BranchTargets is not null) frame.BranchTargets[label] = statement.BranchTargets;
                else if (!frame.Labels.TryAdd(label, _flat.Count))
                    throw new PtxParseException(statement.Line, $"label '{label}' is defined twice");
            }
            else if (statement.Opcode == "call") Inline(statement, frame);
            else _flat.Add((statement, frame, -1));
        }
        frame.End = frame.Function == entry ? -1 : _flat.Count;
        _calling.Remove(function.Name);
    }

    /// <summary>Puts the callee's body in place of the call. Its parameters share the memory of the caller's argument variables.</summary>
    private void Inline(PtxStatement call, Frame caller)
    {
        PtxOperand[] operands = call.Operands;
        PtxOperand[] results = operands.Length > 0 && operands[0].Kind == OperandKind.List ? operands[0].Items : [];
        int at = results.Length > 0 ? 1 : 0;
        PtxOperand[] arguments = operands.Length > at + 1 && operands[at + 1].Kind == OperandKind.List ? operands[at + 1].Items : [];
        if (operands.Length <= at || operands[at].Kind != OperandKind.Label)
            throw new PtxParseException(call.Line, "only direct calls are supported");
        if (!module.Functions.TryGetValue(operands[at].Name, out PtxFunction? callee) || !callee.HasBody)
            throw new PtxParseException(call.Line, $"the called function '{operands[at].Name}' has no body in this module");
        if (results.Length != callee.Results.Count || arguments.Length != callee.Parameters.Count)
            throw new PtxParseException(call.Line,
                $"'{callee.Name}' takes {callee.Parameters.Count} parameters and returns {callee.Results.Count}");
        var frame = new Frame { Function = callee, RegisterBase = Reserve(callee), PredicateBase = ReservePredicates(callee) };
        for (int i = 0; i < results.Length; i++) Share(results[i], callee.Results[i]);
        for (int i = 0; i < arguments.Length; i++) Share(arguments[i], callee.Parameters[i]);
        int skip = -1;
        if (call.Guard is not null)
        {
            skip = _flat.Count;
            _flat.Add((call, caller, 0));
        }
        Flatten(callee, frame);
        if (skip >= 0) _flat[skip] = (new PtxStatement { Line = call.Line, Opcode = "call", Guard = call.Guard!.Not() }, caller,
            _flat.Count);

        void Share(PtxOperand actual, PtxVariable formal)
        {
            if (actual.Kind != OperandKind.Variable || !caller.LocalOffsets.TryGetValue(actual.Variable!, out int offset))
                throw new PtxParseException(call.Line, "arguments and results of a call must be .param variables");
            if (actual.Variable!.Bytes < formal.Bytes)
                throw new PtxParseException(call.Line, $"'{actual.Name}' is smaller than the parameter '{formal.Name}'");
            frame.LocalOffsets[formal] = offset;
        }
    }

    public int Label(string name, Frame frame, int line) =>
        frame.Labels.TryGetValue(name, out int target) ? target : throw new PtxParseException(line, $"unknown label '{name}'");

    /// <summary>The address of a variable in its own space, and that space; parameters of the entry answer their offset.</summary>
    public (ulong Address, PtxSpace Space) Address(PtxVariable variable, Frame frame, int line)
    {
        if (_sharedOffsets.TryGetValue(variable, out int shared)) return ((ulong)shared, PtxSpace.Shared);
        if (frame.LocalOffsets.TryGetValue(variable, out int local)) return ((ulong)local, PtxSpace.Local);
        if (_parameterOffsets.TryGetValue(variable, out int parameter)) return ((ulong)parameter, PtxSpace.Param);
        int index = module.Variables.IndexOf(variable);
        if (index >= 0) return (PtxModule.Address(index), PtxSpace.Global);
        throw new PtxParseException(line, $"variable '{variable.Name}' cannot be addressed here");
    }
}
